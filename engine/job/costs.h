/* SPDX-License-Identifier: Apache-2.0
 * What the kinds of phases cost on this machine, learned from finished phases and kept in the user's cache folder. */
#pragma once
#include "engine/memory/error.h"

typedef struct _FwCosts FwCosts;

/* The table kept at @path, or an empty one if that cannot be read; @path NULL means the user's cache, in a file of its own
 * for each machine (processor and cores that may be used). Not thread-safe. Free with fw_costs_free(). */
FwCosts *fw_costs_open (const char *path);
void fw_costs_free (FwCosts *costs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwCosts, fw_costs_free)

/* Seconds that one unit of work of @kind takes, or 0 if that was not measured yet. A kind is words from the general to the
 * particular, as "sample stdit fp32 avx2". */
double fw_costs_find (const FwCosts *costs, const char *kind);
/* A guess at the same for a kind that was not measured: by those that share most of its first words, or (@costs may be NULL)
 * by the first word alone. Good for shares among phases rather than for seconds. */
double fw_costs_guess (const FwCosts *costs, const char *kind);
/* Notes that @work units of @kind took @seconds; the latest measurements count most. */
void fw_costs_learn (FwCosts *costs, const char *kind, double work, double seconds);
/* Writes the table; that it cannot be written only costs the next job its forecast. */
void fw_costs_save (FwCosts *costs);
