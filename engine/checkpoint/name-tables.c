/* SPDX-License-Identifier: Apache-2.0
 * How published files spell the tensors of each model. Canonical are the names of today's libraries: diffusers for the SD VAE,
 * transformers for T5 and CLIP, the projects' own names for their networks. */
#include "engine/checkpoint/name-table.h"

#define NAMES(...) (const char *const[]) { __VA_ARGS__, NULL }

/* diffusers before 0.18: another spelling of the attention in the middle. */
static const FwNameRule old_attention[] = {
  { "encoder.mid_block.attentions.0.to_q.*", "encoder.mid_block.attentions.0.query.*" },
  { "encoder.mid_block.attentions.0.to_k.*", "encoder.mid_block.attentions.0.key.*" },
  { "encoder.mid_block.attentions.0.to_v.*", "encoder.mid_block.attentions.0.value.*" },
  { "encoder.mid_block.attentions.0.to_out.0.*", "encoder.mid_block.attentions.0.proj_attn.*" },
  { "decoder.mid_block.attentions.0.to_q.*", "decoder.mid_block.attentions.0.query.*" },
  { "decoder.mid_block.attentions.0.to_k.*", "decoder.mid_block.attentions.0.key.*" },
  { "decoder.mid_block.attentions.0.to_v.*", "decoder.mid_block.attentions.0.value.*" },
  { "decoder.mid_block.attentions.0.to_out.0.*", "decoder.mid_block.attentions.0.proj_attn.*" },
  { NULL }
};

/* CompVis latent diffusion: decoder levels are numbered from the output side, attention weights are 1x1 convolutions. */
static const FwNameRule compvis[] = {
  { "encoder.down_blocks.#.resnets.#.*", "encoder.down.#.block.#.*" },
  { "encoder.down.#.block.#.conv_shortcut.*", "encoder.down.#.block.#.nin_shortcut.*" },
  { "encoder.down_blocks.#.downsamplers.0.conv.*", "encoder.down.#.downsample.conv.*" },
  { "decoder.up_blocks.#.resnets.#.*", "decoder.up.~.block.#.*" },
  { "decoder.up.#.block.#.conv_shortcut.*", "decoder.up.#.block.#.nin_shortcut.*" },
  { "decoder.up_blocks.#.upsamplers.0.conv.*", "decoder.up.~.upsample.conv.*" },
  { "encoder.mid_block.resnets.0.*", "encoder.mid.block_1.*" },
  { "encoder.mid_block.resnets.1.*", "encoder.mid.block_2.*" },
  { "encoder.mid_block.attentions.0.group_norm.*", "encoder.mid.attn_1.norm.*" },
  { "encoder.mid_block.attentions.0.to_q.*", "encoder.mid.attn_1.q.*" },
  { "encoder.mid_block.attentions.0.to_k.*", "encoder.mid.attn_1.k.*" },
  { "encoder.mid_block.attentions.0.to_v.*", "encoder.mid.attn_1.v.*" },
  { "encoder.mid_block.attentions.0.to_out.0.*", "encoder.mid.attn_1.proj_out.*" },
  { "decoder.mid_block.resnets.0.*", "decoder.mid.block_1.*" },
  { "decoder.mid_block.resnets.1.*", "decoder.mid.block_2.*" },
  { "decoder.mid_block.attentions.0.group_norm.*", "decoder.mid.attn_1.norm.*" },
  { "decoder.mid_block.attentions.0.to_q.*", "decoder.mid.attn_1.q.*" },
  { "decoder.mid_block.attentions.0.to_k.*", "decoder.mid.attn_1.k.*" },
  { "decoder.mid_block.attentions.0.to_v.*", "decoder.mid.attn_1.v.*" },
  { "decoder.mid_block.attentions.0.to_out.0.*", "decoder.mid.attn_1.proj_out.*" },
  { "encoder.conv_norm_out.*", "encoder.norm_out.*" },
  { "decoder.conv_norm_out.*", "decoder.norm_out.*" },
  { NULL }
};

static const FwNaming vae_namings[] = { { old_attention }, { compvis }, { NULL } };

/* A whole Stable Diffusion or training checkpoint has much beside the VAE. */
#define BESIDE_VAE "loss.*", "model_ema.*", "model.*", "cond_stage_model.*", "alphas_cumprod*", "betas", \
                   "log_one_minus_alphas_cumprod", "posterior_*", "sqrt_*"

const FwNameTable fw_names_sd_vae = {
  .title = "an SD VAE",
  .signature = NAMES ("encoder.mid_block.attentions.0.to_q.weight", "decoder.conv_in.weight", "post_quant_conv.weight"),
  .namings = vae_namings,
  .prefixes = NAMES ("first_stage_model.", "module.", "vae."),
  .ignored = NAMES (BESIDE_VAE),
  .levels = "decoder.up.#.block.0.norm1.weight",
};

const FwNameTable fw_names_temporal_vae = {
  .title = "a VAE with a temporal decoder",
  .signature = NAMES ("encoder.mid_block.attentions.0.to_q.weight", "decoder.time_conv_out.weight"),
  .namings = vae_namings,
  .levels = "decoder.up.#.block.0.norm1.weight",
};

const FwNameTable fw_names_causal_vae = {
  .title = "an Open-Sora-Plan causal video VAE",
  .signature = NAMES ("encoder.conv_in.conv.weight", "decoder.conv_in.conv.weight"),
  .prefixes = NAMES ("module."),
  .ignored = NAMES ("loss.*"),
};

/* transformers keeps the embedding under either name, or both. */
static const FwNameRule tied_embedding[] = {
  { "shared.weight", "encoder.embed_tokens.weight" },
  { NULL }
};
static const FwNaming t5_namings[] = { { tied_embedding }, { NULL } };

const FwNameTable fw_names_t5 = {
  .title = "a T5 encoder",
  .signature = NAMES ("shared.weight", "encoder.block.0.layer.0.SelfAttention.q.weight", "encoder.final_layer_norm.weight"),
  .namings = t5_namings,
  .prefixes = NAMES ("module.", "text_encoder."),
  .ignored = NAMES ("decoder.*", "lm_head.*"),
};

/* Newer transformers builds the text model without its outer name. */
static const FwNameRule bare_text_model[] = {
  { "text_model.*", "*" },
  { NULL }
};
static const FwNaming clip_namings[] = { { bare_text_model }, { NULL } };

const FwNameTable fw_names_clip = {
  .title = "a CLIP text encoder",
  .signature = NAMES ("text_model.embeddings.token_embedding.weight", "text_model.final_layer_norm.weight"),
  .namings = clip_namings,
  .prefixes = NAMES ("module.", "text_encoder."),
  .ignored = NAMES ("text_model.embeddings.position_ids", "embeddings.position_ids", "vision_model.*", "visual_projection.*",
                    "text_projection.*", "logit_scale"),
};

/* Position tables are computed for the wanted size, so those in the files are not used. */
#define POSITIONS "pos_embed", "pos_embed_temporal", "pos_embed_spatial", "temp_embed"

const FwNameTable fw_names_stdit = {
  .title = "an Open-Sora STDiT model",
  .signature = NAMES ("x_embedder.proj.weight", "blocks.0.attn_temp.qkv.weight", "blocks.0.cross_attn.q_linear.weight"),
  .prefixes = NAMES ("module."),
  .ignored = NAMES (POSITIONS),
};

const FwNameTable fw_names_pixart = {
  .title = "a PixArt model",
  .signature = NAMES ("x_embedder.proj.weight", "t_block.1.weight", "blocks.0.cross_attn.q_linear.weight"),
  .prefixes = NAMES ("module."),
  .ignored = NAMES (POSITIONS),
};

const FwNameTable fw_names_dit = {
  .title = "a DiT or Latte model",
  .signature = NAMES ("x_embedder.proj.weight", "blocks.0.adaLN_modulation.1.weight", "final_layer.linear.weight"),
  .prefixes = NAMES ("module."),
  .ignored = NAMES (POSITIONS),
};

const FwNameTable fw_names_latte_t2v = {
  .title = "an Open-Sora-Plan Latte model",
  .signature = NAMES ("pos_embed.proj.weight", "transformer_blocks.0.attn1.to_q.weight",
                      "temporal_transformer_blocks.0.attn1.to_q.weight"),
  .prefixes = NAMES ("module."),
};
