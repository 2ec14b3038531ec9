/* SPDX-License-Identifier: Apache-2.0
 * Model cards: one JSON file says which networks make up a model, where their files lie, and what a request that leaves
 * something open gets. data/models/README.md describes the members. */
#pragma once
#include "engine/model/config.h"
#include "engine/model/network.h"

/* A network as the card names it. Paths are absolute or relative to the current folder, ready to be opened. */
typedef struct {
  const FwArchitecture *architecture;
  char *weights;            /* file, or folder with one checkpoint */
  char *config_path;        /* where the configuration was read, for messages */
  JsonNode *config;         /* an object */
} FwCardNetwork;

typedef struct { int frames, width, height; } FwCardSize;

typedef struct {
  char *path;               /* of the card */
  char *name;               /* letters, digits, '-', '_' and '.' */
  char *title, *description, *licence, *source; /* for people; maybe NULL */
  FwCardNetwork network[FW_N_ROLES];
  char *vocabulary;         /* of the text network */
  int text_length;          /* tokens of a caption; 0 = as many as the denoiser reads */
  gboolean cleaning;        /* captions are cleaned as in training */
  int frames, width, height, fps, steps; /* defaults of a request */
  double guidance;
  char *sampler;
  GArray *trained;          /* FwCardSize, maybe empty */
  double bf16_drift;        /* how far bf16 moves the denoiser's output, as a share of its largest value; 0 = not stated */
  GHashTable *sha256;       /* path as in FwCardNetwork or @vocabulary -> 64 hexadecimal digits */
} FwModelCard;

/* Reads the card at @path, or model.json in the folder @path. FW_ERROR_FORMAT in one sentence for a damaged card, an unknown
 * member, a missing one, or a number out of range. The networks' files are not opened. Free with fw_model_card_free(). */
FwModelCard *fw_model_card_read (const char *path, GError **error);
void fw_model_card_free (FwModelCard *card);

/* What a card's "defaults" hold, for whoever else reads or writes them: all members, and those that are numbers, as fields of
 * FwModelCard. */
extern const char *const fw_model_card_default_members[];
extern const FwConfigField fw_model_card_default_fields[];

G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwModelCard, fw_model_card_free)

/* Opens the network of @role. */
FwNetwork *fw_model_card_open (const FwModelCard *card, FwNetworkRole role, GError **error);
/* The files a clip depends on besides the card: weights (shards one by one), then the vocabulary. Free with
 * g_ptr_array_unref(). */
GPtrArray *fw_model_card_files (const FwModelCard *card);
