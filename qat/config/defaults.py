"""Every key, its default and its meaning.

Official PIDNet keys keep their names; ours are marked `new` or lie under QUANT. In a key of PATHS, `${NAME}` stands for
the environment's variable NAME. checks.py lists the words that a key takes; an error names the right ones.
"""

from __future__ import annotations

from yacs.config import CfgNode as CN

from qat.ptq.methods import all_keys

_C = CN()
_C.NAME = ""  # new: the run's name; `load` takes the file's stem
_C.DEVICE = "auto"  # new: auto (CUDA where there is one), cpu, cuda, cuda:1; int8 stages always run on the CPU
_C.OUTPUT_DIR = "output"
_C.LOG_DIR = "log"  # tensorboardX events
_C.GPUS = (0,)  # read, not used (unread.py says so where it matters): torchrun decides the processes
_C.WORKERS = 2
_C.PRINT_FREQ = 20
_C.AUTO_RESUME = False
_C.PIN_MEMORY = True  # read, not used

_C.CUDNN = CN()
_C.CUDNN.BENCHMARK = True
_C.CUDNN.DETERMINISTIC = False
_C.CUDNN.ENABLED = True

_C.MODEL = CN()
# a registered network, the code of your own, which is run (package.module:function or path/net.py:function), or a
# float ONNX file
_C.MODEL.NAME = "pidnet_s"
_C.MODEL.KWARGS = CN()  # new: what the function of your own network is called with, a mapping
_C.MODEL.OUTPUT = None  # new: which output of your own network is the logits: an index, a key or an attribute's name
_C.MODEL.TASK = None  # new: what your own network is for, segmentation (None), classification or keypoints
_C.MODEL.PRETRAINED = ""  # training starts from these weights; empty = from scratch
_C.MODEL.ALIGN_CORNERS = True  # of the last upsampling, logits to label size
_C.MODEL.NUM_OUTPUTS = 2

_C.LOSS = CN()
_C.LOSS.USE_OHEM = True
_C.LOSS.OHEMTHRES = 0.9
_C.LOSS.OHEMKEEP = 100000
_C.LOSS.CLASS_BALANCE = False
_C.LOSS.BALANCE_WEIGHTS = [0.5, 0.5]  # of the auxiliary P head and the main head
_C.LOSS.SB_WEIGHTS = 0.5  # of the boundary-aware semantic loss

_C.DATASET = CN()  # None: as the data set's descriptor says (datasets/README.md)
_C.DATASET.DATASET = "streets"  # a descriptor's name (streets, cityscapes, camvid), or the path of one
_C.DATASET.DESCRIPTOR = ""  # new: set by loading: where a descriptor lies that doesn't come with the project
_C.DATASET.ROOT = None
_C.DATASET.NUM_CLASSES = None  # another number than the descriptor's: with LABELS trainIds, for train ids of your own
_C.DATASET.TRAIN_SET = None  # a split's name, or a list file relative to the root
_C.DATASET.EXTRA_TRAIN_SET = ""
_C.DATASET.TEST_SET = None
_C.DATASET.LABELS = None  # new: the label files' encoding: auto (by file name), labelIds, trainIds
# new: a number a channel, of RGB / 255; where the descriptor has none, the network's. As many numbers as the pictures
# have channels, 1 to 16
_C.DATASET.MEAN = None
_C.DATASET.STD = None  # new
_C.DATASET.STREETS_TRAIN = None  # new: pictures that `streets` writes for training
_C.DATASET.STREETS_VAL = None  # new
_C.DATASET.STREETS_SEED = None  # new

_C.TRAIN = CN()
_C.TRAIN.IMAGE_SIZE = [1024, 1024]  # width, height of a crop
_C.TRAIN.BASE_SIZE = 2048  # long side before the random scale
_C.TRAIN.FLIP = True
_C.TRAIN.MULTI_SCALE = True
_C.TRAIN.SCALE_FACTOR = 16  # random scale is 0.5 + randint(0, SCALE_FACTOR) / 10
_C.TRAIN.COLOR = 0.0  # new: strength of random brightness, contrast and saturation, 0 = off
_C.TRAIN.LR = 0.01
_C.TRAIN.LR_POWER = 0.9  # new: poly schedule's exponent
_C.TRAIN.WARMUP = 0  # new: iterations of linear warm-up
_C.TRAIN.EXTRA_LR = 0.001
_C.TRAIN.OPTIMIZER = "sgd"  # sgd, adamw
_C.TRAIN.MOMENTUM = 0.9
_C.TRAIN.WD = 0.0001
_C.TRAIN.NESTEROV = False
_C.TRAIN.IGNORE_LABEL = 255
_C.TRAIN.BEGIN_EPOCH = 0
_C.TRAIN.END_EPOCH = 484
_C.TRAIN.EXTRA_EPOCH = 0  # read, not used, like EXTRA_LR, BEGIN_EPOCH and DATASET.EXTRA_TRAIN_SET
_C.TRAIN.RESUME = False
_C.TRAIN.BATCH_SIZE_PER_GPU = 8
_C.TRAIN.SHUFFLE = True
# new: of every batch normalisation, 0 to 1; None: the network's own (MNASNet's 0.0003 is for a million steps)
_C.TRAIN.BN_MOMENTUM = None
_C.TRAIN.EMA = 0.0  # new: decay of the weight average, 0 = off
_C.TRAIN.AMP = "none"  # new: none, bf16
_C.TRAIN.EVAL_EVERY = 1  # new: epochs between evaluations
_C.TRAIN.SEED = 304  # new

_C.TEST = CN()
_C.TEST.IMAGE_SIZE = [2048, 1024]  # width, height of pictures; the int8 graph is built for them
# new: pictures whose sides the network's stride doesn't divide: pad (right and bottom, with the mean colour; classes
# are cropped back) or resize (to the next multiple, and classes back); None: as the network's row says
_C.TEST.FIT = None
_C.TEST.BASE_SIZE = 2048
_C.TEST.BATCH_SIZE_PER_GPU = 1
_C.TEST.MODEL_FILE = ""  # the float checkpoint of every stage; empty: the weights that your own network comes with
_C.TEST.FLIP_TEST = False  # eval of stage float: a second score, of pictures and their mirrored copies
_C.TEST.MULTI_SCALE = (
    False  # the same at scales 0.5 to 1.75; the int8 network sees each picture once, as it is deployed
)
_C.TEST.OUTPUT_INDEX = -1  # read, not used: it counts the train form's outputs, and the main one is known
_C.TEST.NUM_IMAGES = 0  # new: evaluate the first N images only, 0 = all

_C.QUANT = CN()
_C.QUANT.TARGET = "x86"  # the device that the network is made fit for
_C.QUANT.BACKEND = "auto"  # auto (the plugin where it imports and TARGET is j5, else fx), fx, horizon
_C.QUANT.SCHEME = "symmetric"  # symmetric (J5's grid), affine
_C.QUANT.WEIGHT_OBSERVER = "mse"  # per output channel
_C.QUANT.PERCENTILE = 99.99
# None: every image weighs the same (the plugin: 2 / (batches + 1)); else the moving average's weight of a new batch
_C.QUANT.AVERAGING_CONSTANT = None
# auto: torch.ao's kernels (onednn where the CPU has VNNI, since the others' depthwise kernels saturate, else x86) where
# each layer computes what stage calib does, else the program: the steps that every file is written from, on plain
# integers; an engine's name: torch.ao's kernels, or an error; program: no kernels of torch.ao at all
_C.QUANT.ENGINE = "auto"
_C.QUANT.HIGH_PRECISION = []  # more modules whose output stays float, besides the tail conv found from the graph
_C.QUANT.ALLOW_FLOAT = False  # whether to go on with float between int8 layers and with what `check` calls an error
_C.QUANT.CALIB_IMAGES = 64  # spread evenly over the sorted training list
_C.QUANT.CALIB_BATCH_SIZE = 1
_C.QUANT.SAVE_EVERY = 16  # batches between saved calibration states
_C.QUANT.HELD_OUT_IMAGES = 16  # training images that no scale is made from, on which OBSERVER auto and MAX_DROP judge
for _key in all_keys():  # the switches of the methods that make a calibration better, and what else they take
    _C.QUANT[_key.name] = _key.default
_C.QUANT.FROM = "auto"  # what int_infer and compile start from: calib, qat, or auto (qat where that has finished)
_C.QUANT.GATE = 0.99  # share of float mIoU below which a stage is not good enough

_C.QAT = CN()  # fine-tuning; what isn't here is TRAIN's (batch, crop, seed), but for AMP: always float32
_C.QAT.END_EPOCH = 0  # epochs; 0: a tenth of TRAIN.END_EPOCH
_C.QAT.LR = 0.00005  # the poly schedule's first learning rate: the share of its size that a step moves a value by
_C.QAT.MIN_LR = 0.000001  # and what it falls to
_C.QAT.SCALE_LR = 0.002  # the first rate of activation scales that learn; it falls as LR does
# activation scales: frozen, learnt (LSQ), auto (frozen where calib passes QUANT.GATE, else learnt)
_C.QAT.SCALES = "auto"
# channels before training: auto (equalised where calib fails QUANT.GATE and no method has tuned it), never
_C.QAT.EQUALISE = "auto"
_C.QAT.MULTI_SCALE = False  # TRAIN.MULTI_SCALE for fine-tuning: pictures of the size that is deployed serve it better
_C.QAT.LABELS = 0.01  # weight of the labels' loss
_C.QAT.LOGITS = 3.0  # weight of the distance from float's logits
_C.QAT.BOUNDARY = 3.0  # weight of the distance from float's boundary attention; for networks with a boundary branch
_C.QAT.EMA = 0.998  # decay of the weight average, which is the result
_C.QAT.EVAL_EVERY = 1  # epochs between evaluations, which only watch: 0 = never

_C.DEBUG = CN()
_C.DEBUG.IMAGES = 32  # of the val list, spread evenly, for each layer's error and ranges
_C.DEBUG.SENSITIVITY_IMAGES = 16  # of the val list, for what each layer costs; 0: don't measure that
_C.DEBUG.LAYERS = []  # layers whose sensitivity is measured, by the names that debug shows; empty: all

_C.COMPILE = CN()
_C.COMPILE.INPUT_SIZE = []  # HEIGHT, width of the artefacts, such as 1024,2048; empty: TEST.IMAGE_SIZE (width, height)
_C.COMPILE.OPSET = 17  # of ONNX
_C.COMPILE.DYNAMIC_BATCH = False  # ONNX: any number of pictures at once, else one
_C.COMPILE.INPUT = "float"  # float (normalised), uint8 (raw RGB, N x 3 x H x W)
_C.COMPILE.OUTPUT = "logits"  # logits (1/8), upsampled (logits of the input's size), argmax (classes, int64)
_C.COMPILE.RUNTIMES = ["auto"]  # auto: what is installed; or names, as of RUNTIME
_C.COMPILE.MNN_OPTIMIZE = 1  # MNN's converter: 1 (right for every input), 2 (for usual inputs)
_C.COMPILE.MNN_WEIGHT_BITS = 8  # of the .mnn file whose weights are stored in few bits: 2 to 8
# of the val list, on which every artefact is compared in every runtime; 0: 16 of 480x360, fewer larger ones, at least 4
_C.COMPILE.PARITY_IMAGES = 0
_C.COMPILE.BENCH_ROUNDS = 2  # timed rounds of each artefact in each runtime (above a megapixel one); 0: no perf files
_C.COMPILE.RUNTIME = "ort"  # of stage compiled: where eval and infer run it
_C.COMPILE.RUNTIME_DEVICE = ""  # of stage compiled: in RUNTIME's own words, such as CUDA, GPU, OPENCL; empty: CPU
_C.COMPILE.TRUST = False  # run TorchScript files, which are programs, that this run has no record of making
_C.COMPILE.ARTEFACT = ""  # of stage compiled: a file of the compile folder; empty: what RUNTIME runs best
_C.COMPILE.MARCH = "bayes"  # the processor: bayes (J5, RDK Ultra), bayes_e (RDK X5)
_C.COMPILE.INPUT_SOURCE = "ddr"  # J5: ddr (normalised RGB) or pyramid (the camera's centred YUV444)
_C.COMPILE.OPT = "O2"  # J5's compiler: O0 to O3 (or 0 to 3), ddr, fast, balance
_C.COMPILE.JOBS = 16  # J5's compiler: threads

EXAMPLES = {  # of keys whose default is None: the type that a value must have
    "MODEL.OUTPUT": None,  # any of its types
    "MODEL.TASK": "classification",
    "DATASET.ROOT": "data/cityscapes",
    "DATASET.NUM_CLASSES": 19,
    "DATASET.TRAIN_SET": "train",
    "DATASET.TEST_SET": "val",
    "DATASET.LABELS": "auto",
    "DATASET.MEAN": [0.485, 0.456, 0.406],
    "DATASET.STD": [0.229, 0.224, 0.225],
    "DATASET.STREETS_TRAIN": 64,
    "DATASET.STREETS_VAL": 32,
    "DATASET.STREETS_SEED": 0,
    "TRAIN.BN_MOMENTUM": 0.1,
    "TEST.FIT": "pad",
}
MAPPINGS = ("MODEL.KWARGS",)  # keys whose value is a mapping, taken whole
PATHS = ("OUTPUT_DIR", "LOG_DIR", "MODEL.PRETRAINED", "DATASET.DATASET", "DATASET.ROOT", "TEST.MODEL_FILE")
