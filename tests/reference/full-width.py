#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""full-width.py CASE-DIR...: the PyTorch side of the golden cases of kind project/full_width.

Reads case.json, draws the weights and inputs it describes, runs the network in fp32 and writes io.safetensors with
  out.sample  every "stride"-th element of the output
  out.sums    its mean and root mean square (float64)
and prints how far PyTorch's own fp32, autocast to bf16 and whole bf16 are from float64.
Needs torch, diffusers, transformers and safetensors. The tests do not: they read what this wrote.

Every tensor is drawn by one torch.rand call after torch.manual_seed(FNV-1a of its name), so that neither order nor size of the
others matters; draw() says how it is scaled. Uniform numbers, unlike normal ones, are equal to the last bit on both sides.
"""
import copy
import json
import math
import pathlib
import sys

import torch
from safetensors.torch import save_file

from stdit import Stdit


def seed_of(name):
    hash = 2166136261
    for byte in name.encode():
        hash = (hash ^ byte) * 16777619 & 0xFFFFFFFF
    return hash


def draw(case, name, shape, is_input=False):
    """Variance 1 / fan-in for matrices and kernels, 1 for inputs; vectors lie around 1 (scales) or 0."""
    torch.manual_seed(seed_of(name))
    unit = torch.rand(shape) * 2 - 1
    if len(shape) < 2 and not is_input:
        return unit * 0.25 + (1.0 if name.endswith(".weight") else 0.0)
    fan_in = 1 if is_input else math.prod(shape[1:])
    factor = next((f for suffix, f in sorted(case.get("factors", {}).items()) if name.endswith(suffix)), 1)
    return unit * (math.sqrt(3 / fan_in) * factor)


def make_input(case, name):
    shape = case["inputs"][name]
    if name == "t":
        return torch.full(shape, float(case["time"]))
    if name == "mask":
        return (torch.arange(shape[1]) < case["length"]).expand(shape)
    if name == "ids":
        torch.manual_seed(seed_of(name))
        return torch.randint(0, case["config"]["vocab_size"], shape)
    return draw(case, name, shape, True)


def make_stdit(case):
    return Stdit(**case["config"]), lambda net, i: net(i["x"], i["t"], i["y"], i["mask"])


def make_t5(case):
    from transformers import T5Config, T5EncoderModel
    net = T5EncoderModel(T5Config(**case["config"], dropout_rate=0.0))
    return net, lambda net, i: net(input_ids=i["ids"], attention_mask=i["mask"]).last_hidden_state


def make_vae(case):
    from diffusers import AutoencoderKL
    levels = len(case["config"]["block_out_channels"])
    return AutoencoderKL(**case["config"], out_channels=3, down_block_types=["DownEncoderBlock2D"] * levels,
                         up_block_types=["UpDecoderBlock2D"] * levels)


def make_encode(case):
    """The log variance is clamped, as it is before it is used."""
    def run(net, i):
        mean, logvar = net.quant_conv(net.encoder(i["image"])).chunk(2, 1)
        return torch.cat([mean, logvar.clamp(-30, 20)], 1)
    return make_vae(case), run


def make_decode(case):
    return make_vae(case), lambda net, i: net.decode(i["latent"]).sample


NETWORKS = {"stdit": make_stdit, "t5": make_t5, "sd-vae-encode": make_encode, "sd-vae-decode": make_decode}


def cast(inputs, dtype):
    return {k: v.to(dtype) if v.is_floating_point() and k != "t" else v for k, v in inputs.items()}


def distance(got, exact):
    """Largest difference by largest value, and root mean square difference by root mean square."""
    difference = (got.double() - exact).abs()
    return (difference.max() / exact.abs().max()).item(), (difference.square().mean() / exact.square().mean()).sqrt().item()


def main(folder):
    case = json.loads((folder / "case.json").read_text())
    net, run = NETWORKS[case["network"]](case)
    net.eval()
    for name, parameter in net.named_parameters():
        parameter.data = draw(case, name, list(parameter.shape))
    inputs = {name: make_input(case, name) for name in case["inputs"]}
    with torch.inference_mode():
        out = run(net, inputs)
        exact = run(copy.deepcopy(net).double(), cast(inputs, torch.float64))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = run(net, inputs)
        rounded = run(net.bfloat16(), cast(inputs, torch.bfloat16))
    flat = out.double().flatten()
    sums = torch.stack([flat.mean(), flat.square().mean().sqrt()])
    save_file({"out.sample": out.flatten()[::case["stride"]].contiguous(), "out.sums": sums}, folder / "io.safetensors")
    print(f"{folder.name}: {list(out.shape)}, largest {flat.abs().max():.4f}, rms {sums[1]:.4f}")
    for what, result in ("fp32", out), ("bf16 autocast", mixed), ("bf16", rounded):
        largest, rms = distance(result, exact)
        print(f"  {what:14} to float64: max {largest:.3e}  rms {rms:.3e}")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        main(pathlib.Path(argument))
