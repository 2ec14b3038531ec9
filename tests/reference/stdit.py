# SPDX-License-Identifier: Apache-2.0
"""STDiT in plain PyTorch, written from the description of Open-Sora 1.0's network: the other side of comparisons.

Parameters carry the names of real checkpoints. Attention uses F.scaled_dot_product_attention, PyTorch's fastest.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F


def sines(positions, width):
    """[n] positions -> [n, width]: sines before cosines, in double."""
    omega = 10000.0 ** (-torch.arange(width // 2, dtype=torch.float64) / (width // 2))
    angle = positions.double()[:, None] * omega
    return torch.cat([angle.sin(), angle.cos()], 1)


def spatial_table(width, rows, columns, scale):
    """[rows * columns, width]: the first half encodes the column, the second the row."""
    y, x = torch.arange(rows, dtype=torch.float32) / scale, torch.arange(columns, dtype=torch.float32) / scale
    y, x = y[:, None].expand(rows, columns).reshape(-1), x[None].expand(rows, columns).reshape(-1)
    return torch.cat([sines(x, width // 2), sines(y, width // 2)], 1).float()


def temporal_table(width, frames, scale):
    return sines(torch.arange(frames, dtype=torch.float32) / scale, width).float()


def norm(x):
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        """x[sequences, tokens, width]"""
        n, length, width = x.shape
        q, k, v = self.qkv(x).view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, length, width))


class CrossAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q_linear, self.kv_linear, self.proj = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)

    def forward(self, x, text, mask):
        """mask[batch, 1, 1, length] is True where a key counts, or None."""
        n, length, width = x.shape
        q = self.q_linear(x).view(n, length, self.heads, -1).transpose(1, 2)
        k, v = self.kv_linear(text).view(n, text.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).reshape(n, length, width))


class Mlp(nn.Module):
    def __init__(self, inputs, hidden, outputs):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(inputs, hidden), nn.Linear(hidden, outputs)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, width, heads, ratio):
        super().__init__()
        self.attn, self.attn_temp = Attention(width, heads), Attention(width, heads)
        self.cross_attn = CrossAttention(width, heads)
        self.mlp = Mlp(width, ratio * width, width)
        self.scale_shift_table = nn.Parameter(torch.randn(6, width) / width ** 0.5)

    def forward(self, h, t0, text, mask, frames, position):
        batch, tokens, width = h.shape
        sites = tokens // frames
        shift1, scale1, gate1, shift2, scale2, gate2 = (self.scale_shift_table[None] + t0).chunk(6, 1)
        m = norm(h) * (1 + scale1) + shift1
        h = h + gate1 * self.attn(m.view(batch * frames, sites, width)).view(batch, tokens, width)
        u = h.view(batch, frames, sites, width).transpose(1, 2).reshape(batch * sites, frames, width)
        if position is not None:
            u = u + position
        a = self.attn_temp(u).view(batch, sites, frames, width).transpose(1, 2).reshape(batch, tokens, width)
        h = h + gate1 * a
        h = h + self.cross_attn(h, text, mask)
        return h + gate2 * self.mlp(norm(h) * (1 + scale2) + shift2)


class Final(nn.Module):
    def __init__(self, width, outputs):
        super().__init__()
        self.linear = nn.Linear(width, outputs)
        self.scale_shift_table = nn.Parameter(torch.randn(2, width) / width ** 0.5)

    def forward(self, h, tv):
        shift, scale = (self.scale_shift_table[None] + tv[:, None]).chunk(2, 1)
        return self.linear(norm(h) * (1 + scale) + shift)


class PatchEmbed(nn.Module):
    def __init__(self, channels, patch, width):
        super().__init__()
        self.proj = nn.Conv3d(channels, width, patch, patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class TimeEmbed(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t):
        angle = t.float()[:, None] * torch.exp(-math.log(10000) * torch.arange(128, dtype=torch.float32) / 128)
        return self.mlp(torch.cat([angle.cos(), angle.sin()], 1).to(self.mlp[0].weight.dtype))


class CaptionEmbed(nn.Module):
    def __init__(self, inputs, width):
        super().__init__()
        self.y_proj = Mlp(inputs, width, width)

    def forward(self, y):
        return self.y_proj(y)


class Stdit(nn.Module):
    def __init__(self, input_size, hidden_size, depth, num_heads, caption_channels, in_channels=4, mlp_ratio=4,
                 patch_size=(1, 2, 2), space_scale=1.0, time_scale=1.0, **_):
        super().__init__()
        self.patch, self.channels = tuple(patch_size), 2 * in_channels
        self.grid = tuple(n // p for n, p in zip(input_size, self.patch))
        self.x_embedder = PatchEmbed(in_channels, self.patch, hidden_size)
        self.t_embedder = TimeEmbed(hidden_size)
        self.t_block = nn.Sequential(nn.SiLU(), nn.Linear(hidden_size, 6 * hidden_size))
        self.y_embedder = CaptionEmbed(caption_channels, hidden_size)
        self.blocks = nn.ModuleList(Block(hidden_size, num_heads, mlp_ratio) for _ in range(depth))
        self.final_layer = Final(hidden_size, math.prod(self.patch) * self.channels)
        space = spatial_table(hidden_size, self.grid[1], self.grid[2], space_scale)
        self.register_buffer("pos_embed", space, persistent=False)
        self.register_buffer("pos_embed_temporal", temporal_table(hidden_size, self.grid[0], time_scale), persistent=False)

    def forward(self, x, t, y, mask=None):
        """x[B, C, T, H, W], t[B], y[B, L, Cc], mask[B, L] -> [B, 2C, T, H, W]"""
        batch, (frames, rows, columns) = x.shape[0], self.grid
        h = self.x_embedder(x)
        h = (h.view(batch, frames, rows * columns, -1) + self.pos_embed).view(batch, frames * rows * columns, -1)
        tv = self.t_embedder(t)
        t0 = self.t_block(tv).view(batch, 6, -1)
        text = self.y_embedder(y)
        keys = None if mask is None else mask.bool()[:, None, None]
        for i, block in enumerate(self.blocks):
            h = block(h, t0, text, keys, frames, self.pos_embed_temporal if i == 0 else None)
        out = self.final_layer(h, tv).view(batch, frames, rows, columns, *self.patch, self.channels)
        out = out.permute(0, 7, 1, 4, 2, 5, 3, 6)
        return out.reshape(batch, self.channels, frames * self.patch[0], rows * self.patch[1], columns * self.patch[2])
