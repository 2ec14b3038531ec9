#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""drift.py CASE-DIR...: how far autocast to bf16 moves PyTorch's own results on golden cases of STDiT, T5 and the SD VAE.

Each line gives the largest difference to fp32 by the largest value, and the same of root mean squares: what the bounds
"bf16_drift" of those cases are taken from.
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import load_file

from stdit import Stdit


def load(net, folder):
    file = next(f for f in (folder / "weights.safetensors", folder / "weights.pth") if f.exists())
    weights = load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=True)
    net.load_state_dict(weights, strict=False)
    return net.eval()


def stdit(case, folder, io):
    net = load(Stdit(**case["config"]), folder)
    mask = io.get("in.mask")
    if mask is not None:
        mask = mask.repeat(io["in.x"].shape[0] // mask.shape[0], 1)
    return {"out": lambda: net(io["in.x"], io["in.t"], io["in.y"][:, 0], mask)}


def t5(case, folder, io):
    from transformers import T5Config, T5EncoderModel
    net = load(T5EncoderModel(T5Config(**case["config"])), folder)
    return {"last_hidden_state": lambda: net(input_ids=io["input_ids"], attention_mask=io["attention_mask"]).last_hidden_state}


def sd_vae(case, folder, io):
    from diffusers import AutoencoderKL
    net = load(AutoencoderKL(**case["config"]), folder)
    return {"moments": lambda: net.quant_conv(net.encoder(io["image"])), "decoded": lambda: net.decode(io["decode_in"]).sample}


KINDS = {"opensora/forward": stdit, "t5/encode": t5, "sdvae/sd_layout": sd_vae}

for argument in sys.argv[1:]:
    folder = pathlib.Path(argument)
    case = json.loads((folder / "case.json").read_text())
    for name, run in KINDS[case["runner"]](case, folder, load_file(folder / "io.safetensors")).items():
        with torch.inference_mode():
            exact = run().double()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                difference = (run().double() - exact).abs()
        largest = (difference.max() / exact.abs().max()).item()
        rms = (difference.square().mean() / exact.square().mean()).sqrt().item()
        print(f"{folder.name:20} {name:20} max {largest:.3e}  rms {rms:.3e}")
