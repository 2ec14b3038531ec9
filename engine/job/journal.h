/* SPDX-License-Identifier: Apache-2.0
 * The journal of a running generate job: what an interrupted clip needs to be continued, also by another process after a
 * crash. It always holds one whole state, replaced atomically after each step. */
#pragma once
#include "engine/memory/error.h"

/* A named piece of state: a latent, a sampler's history, a generator's state. */
typedef struct {
  const char *name;
  gconstpointer data;
  gsize size;
} FwJournalBlob;

/* A read journal. Its texts and blobs live until fw_journal_free(). */
typedef struct {
  const char *recipe;       /* JSON of FwRecipe: a journal of another recipe must not be continued */
  const char *phase;        /* the phase whose @step steps are done, as "sample" or "decode" */
  guint step, steps;
  const FwJournalBlob *blobs;
  guint count;
} FwJournal;

/* Where the journal of a clip lies: the user's state folder, by a digest of the output's absolute path. Free with g_free(). */
char *fw_journal_path (const char *output);

/* Replaces the journal at @path by @journal, making its folder; after a crash at any moment either state is there. */
gboolean fw_journal_write (const char *path, const FwJournal *journal, GError **error);
/* Reads a journal; FW_ERROR_IO if there is none, FW_ERROR_FORMAT in one sentence if it is damaged, hostile or of another
 * version. The blobs are copies aligned for any type. Free with fw_journal_free(). */
FwJournal *fw_journal_read (const char *path, GError **error);
void fw_journal_free (FwJournal *journal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwJournal, fw_journal_free)
/* The blob called @name, or NULL with FW_ERROR_FORMAT if there is none or it is not of @size bytes (0 = any). */
gconstpointer fw_journal_blob (const FwJournal *journal, const char *name, gsize size, GError **error);
/* Forgets the journal; that there was none is no error. */
void fw_journal_remove (const char *path);
