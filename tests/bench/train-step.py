#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The PyTorch side of bench-train-step: the same STDiT, batch, IDDPM loss, clipping, AdamW and moving average, in PyTorch's own
fastest forms (scaled_dot_product_attention, fused AdamW, foreach average). Prints one JSON line with the same members.

  train-step.py [--runs N] [--dtype f32|bf16] [--mode eager|compile] [--threads N] [--profile]

bf16 is autocast with fp32 weights, as people train. Needs torch only.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--runs", type=int, default=5)
parser.add_argument("--dtype", choices=["f32", "bf16"], default="bf16")
parser.add_argument("--mode", choices=["eager", "compile"], default="eager")
parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
parser.add_argument("--profile", action="store_true")
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)

import torch  # noqa: E402, after its number of threads is set

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "reference"))
from stdit import Stdit  # noqa: E402

BATCH, FRAMES, SIDE, TOKENS, WARM_UP = 8, 16, 16, 32, 2
torch.set_num_threads(options.threads)
torch.manual_seed(1)

betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
alphas_bar = torch.cumprod(1 - betas, 0)
before = torch.cat([torch.ones(1, dtype=torch.float64), alphas_bar[:-1]])
posterior_variance = betas * (1 - before) / (1 - alphas_bar)


def rows_of(index):
    """What the loss reads of the noise schedule, [B, 1, 1, 1, 1] each."""
    table = {
        "recip": (1 / alphas_bar).sqrt(), "recipm1": (1 / alphas_bar - 1).sqrt(),
        "by_x0": betas * before.sqrt() / (1 - alphas_bar), "by_xt": (1 - before) * (1 - betas).sqrt() / (1 - alphas_bar),
        "low": torch.cat([posterior_variance[1:2], posterior_variance[1:]]).log(), "high": betas.log(),
    }
    return {name: values[index].float()[:, None, None, None, None] for name, values in table.items()}


def normal_cdf(z):
    return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z ** 3)))


def iddpm_loss(out, x0, noise, xt, t, rows):
    predicted, logits = out.chunk(2, 1)
    mse = (noise - predicted).square().mean((1, 2, 3, 4))
    fraction = (logits + 1) / 2
    logvar = fraction * rows["high"] + (1 - fraction) * rows["low"]
    clean = rows["recip"] * xt - rows["recipm1"] * predicted.detach()
    mean, mean_true = rows["by_x0"] * clean + rows["by_xt"] * xt, rows["by_x0"] * x0 + rows["by_xt"] * xt
    kl = 0.5 * (logvar - rows["low"] - 1 + (rows["low"] - logvar).exp() + (mean_true - mean).square() * (-logvar).exp())
    centred, inverse = x0 - mean, (-0.5 * logvar).exp()
    upper, lower = normal_cdf(inverse * (centred + 1 / 255)), normal_cdf(inverse * (centred - 1 / 255))
    inside = torch.where(x0 > 0.999, 1 - lower, upper - lower)
    decoder = -torch.where(x0 < -0.999, upper, inside).clamp(min=1e-12).log()
    bound = torch.where(t[:, None, None, None, None] == 0, decoder, kl).mean((1, 2, 3, 4)) / math.log(2)
    return (mse + bound).mean()


net = Stdit((FRAMES, SIDE, SIDE), hidden_size=256, depth=8, num_heads=4, caption_channels=256)
parameters = list(net.parameters())
average = [p.detach().clone() for p in parameters]
optimiser = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.0, fused=True)
x0, noise, xt = (torch.randn(BATCH, 4, FRAMES, SIDE, SIDE) for _ in range(3))
y, t = torch.randn(BATCH, TOKENS, 256), torch.arange(1, BATCH + 1) * 100
rows = rows_of(t)


def loss_of():
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.dtype == "bf16"):
        out = net(xt, t, y)
    return iddpm_loss(out.float(), x0, noise, xt, t, rows)


forward = torch.compile(loss_of) if options.mode == "compile" else loss_of


def step():
    optimiser.zero_grad(set_to_none=True)
    loss = forward()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
    optimiser.step()
    torch._foreach_lerp_(average, parameters, 0.001)
    return loss.item()


def flops():
    from torch.utils.flop_counter import FlopCounterMode
    with FlopCounterMode(display=False) as counter:
        loss_of().backward()
    return counter.get_total_flops()


work = flops()
for _ in range(WARM_UP):
    step()
seconds, cpu_seconds = [], []
for _ in range(options.runs):
    start, cpu_start = time.perf_counter(), time.process_time()
    loss = step()
    seconds.append(time.perf_counter() - start)
    cpu_seconds.append(time.process_time() - cpu_start)
if options.profile:
    from torch.profiler import ProfilerActivity, profile
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        step()
    print(profiled.key_averages().table(sort_by="self_cpu_time_total", row_limit=30), file=sys.stderr)
print(json.dumps({
    "bench": "train_step", "torch": torch.__version__, "mode": options.mode, "dtype": options.dtype, "workers": options.threads,
    "isa": torch.backends.cpu.get_cpu_capability(), "gflop": round(work / 1e9, 1),
    "parameters": sum(p.numel() for p in parameters), "median_s": round(statistics.median(seconds), 4),
    "best_s": round(min(seconds), 4), "cpu_s": round(statistics.median(cpu_seconds), 4), "loss": round(loss, 6)}))
