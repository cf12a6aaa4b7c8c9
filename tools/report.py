"""What people look at: report.html, one self-contained page of all that the stages left on disk."""

from __future__ import annotations

import logging
import shlex
import sys

import _cli
from _progress import progress_bar
from yacs.config import CfgNode

from qat.data import build_dataset, class_set, data_loader
from qat.data.transforms import InferenceTransform
from qat.errors import UserError
from qat.files import write_text
from qat.report.page import Pictures, page
from qat.report.pictures import seen
from qat.report.sources import Sources, read_sources
from qat.report.worst import worst_images
from qat.workflow import stages
from qat.workflow.evaluate import announce
from qat.workflow.inputs import float_logits, to_input

log = logging.getLogger(__name__)


def main() -> None:
    parser = _cli.parser(__doc__)
    parser.add_argument("--stage", choices=stages.STAGES[1:], default="int_infer", help="whose pictures are shown")
    parser.add_argument("--images", type=int, default=6, help="worst pictures shown, 0: none (default: %(default)s)")
    args = parser.parse_intermixed_args()
    if args.images < 0:
        raise UserError(f"--images {args.images}; expected 0 or more")
    cfg = _cli.config(args)
    sources = read_sources(cfg)
    pictures = find_pictures(cfg, sources, args.stage, args.images)
    made_by = shlex.join(["python", "tools/report.py", *sys.argv[1:]])
    target = stages.stage_folder(cfg, "report") / "report.html"
    write_text(target, page(sources, pictures, class_set(cfg), args.cfg, made_by))
    log.info("%s (%.1f MB)", target, target.stat().st_size / 1e6)


def find_pictures(cfg: CfgNode, sources: Sources, stage: str, count: int) -> Pictures:
    """Run `stage` over the val list and draw the `count` images that changed most; or why that can't be done."""
    title = stages.title(cfg, stage)
    if count == 0:
        return Pictures(why="Left out by --images 0.", target="report")
    if title not in sources.metrics:
        return Pictures(why=f"Stage {title} isn't evaluated yet.", target=f"eval STAGE={stage}")
    dataset = build_dataset(cfg, "val", InferenceTransform())
    names = dataset.names[: cfg.TEST.NUM_IMAGES or None]
    store = float_logits(cfg)
    if not store.holds(names):
        return Pictures(why="float's logits of these pictures aren't stored.", target="eval STAGE=float")
    announce(cfg, stage)
    batches = data_loader(dataset, cfg.TEST.BATCH_SIZE_PER_GPU, cfg.WORKERS, indices=range(len(names)))
    with progress_bar(f"pictures of {title}", len(names)) as advance:
        worst, shares = worst_images(
            stages.load_stage(cfg, stage),
            batches,
            count,
            to_input=to_input(cfg, stage),
            reference=store.read,
            align_corners=cfg.MODEL.ALIGN_CORNERS,
            progress=advance,
        )
    palette = class_set(cfg).palette
    return Pictures(title, tuple(seen(shown, palette, title) for shown in worst), tuple(shares))


if __name__ == "__main__":
    _cli.run(main)
