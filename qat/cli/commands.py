"""The commands, each with the line that --help shows; command `name` lives in the module of that name."""

COMMANDS = {
    "demo": "float -> calib -> int8 on the embedded default, mIoU after every stage",
    "check": "violations before, rewrites, violations after, for QUANT.TARGET",
    "train": "train the float network",
    "calib": "calibrate: choose every activation's scale from training images",
    "debug": "where accuracy is lost: layer errors, sensitivity, qconfig check, advice",
    "qat": "fine-tune the calibrated network with fake-quantisation, taught by the float network",
    "eval": "mIoU of a stage, how far it is from float, and the table of all stages",
    "infer": "colour overlays of pictures with a stage, beside float's",
    "compile": "every artefact of the calibrated network, each proven and run in every runtime",
    "report": "report.html: every stage's figures, classes, worst pictures, layers, in one file",
    "export": "a trained checkpoint as half-precision safetensors, small enough to ship",
    "bench": "speed: int8 against float, evaluation against its forward, calibration",
    "bench-runtimes": "speed of the artefacts: each in every runtime, beside this CPU's peak",
    "bench-peers": "speed and accuracy beside NNCF's and ONNX Runtime's int8 models",
    "j5-perf": "J5's speed: perf_model's JSON and what hrt_model_exec printed, as one table",
}


def module_of(command: str) -> str:
    """The module of a command.

    >>> module_of("bench-runtimes")
    'qat.cli.bench_runtimes'
    """
    return f"qat.cli.{command.replace('-', '_')}"
