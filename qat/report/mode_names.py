"""The words of infer's `--mode`, and what each makes of a picture."""

COMPARE, OVERLAY, COLOUR, MASK = "compare", "overlay", "colour", "mask"
MODES = {
    COMPARE: "float, the stage and what changed side by side, with a legend",
    OVERLAY: "the stage's colours over the picture",
    COLOUR: "the stage's colours alone",
    MASK: "the stage's class ids, a PNG with the palette",
}
