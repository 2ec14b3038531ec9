/* SPDX-License-Identifier: Apache-2.0
 * Names of tensors: each model asks by its own (canonical) names, a table says how published files spell the same tensors. */
#pragma once
#include "engine/checkpoint/checkpoint.h"

/* Rewrites names of the form @from to @to. In @from, "#" stands for a whole run of digits and a final "*" for any rest; in @to
 * they stand for what was found, in order, and "~" for a number counted from the other end of the table's @levels. */
typedef struct { const char *from, *to; } FwNameRule;

/* One family of files; its rules are applied one after the other, each where it matches. Ended by a NULL @from. */
typedef struct { const FwNameRule *rules; } FwNaming;

typedef struct {
  const char *title;                /* for people, with its article: "an SD VAE" */
  const char *const *signature;     /* canonical names that together tell the kind; NULL-ended */
  const FwNaming *namings;          /* spellings besides the canonical one, ended by NULL rules; or NULL */
  const char *const *prefixes;      /* that may precede every name, besides none; NULL-ended, or NULL */
  const char *const *ignored;       /* forms (as FwNameRule.from) of names that are expected but not used; NULL-ended, or NULL */
  const char *levels;               /* form of a name that files have for # = 0, 1, ... up to the number of levels, or NULL */
} FwNameTable;

extern const FwNameTable fw_names_sd_vae, fw_names_temporal_vae, fw_names_causal_vae;
extern const FwNameTable fw_names_t5, fw_names_clip;
extern const FwNameTable fw_names_stdit, fw_names_pixart, fw_names_dit, fw_names_latte_t2v;

/* The tensor that @canonical names, under whatever spelling, or NULL. */
const FwCheckpointTensor *fw_names_find (const FwCheckpoint *checkpoint, const FwNameTable *table, const char *canonical);

/* Whether the shapes agree but for dimensions of 1, which do not change where elements lie: [D,4,2,2] is [D,4,1,2,2]. */
gboolean fw_names_fits (const FwCheckpointTensor *tensor, int rank, const gint64 *dim);

/* Compares the file with the @count names the model wants. Appends those not found to @missing (pointers into @canonical), and the
 * file's names that nothing asks for and the table does not ignore to @unexpected (owned by the checkpoint). */
void fw_names_audit (const FwCheckpoint *checkpoint, const FwNameTable *table, const char *const *canonical, gsize count,
                     GPtrArray *missing, GPtrArray *unexpected);

/* TRUE if the checkpoint has @table's signature; else an error in the user's words: what it holds, and what is wanted. @path is
 * for the message. */
gboolean fw_names_expect (const FwCheckpoint *checkpoint, const FwNameTable *table, const char *path, GError **error);
