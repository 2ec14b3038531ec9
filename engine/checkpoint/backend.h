/* SPDX-License-Identifier: Apache-2.0
 * What the front of the checkpoint reader (checkpoint.c) and the file formats share: a mapped file, the runs of bytes in it
 * that hold elements, and the table of tensors that view them. Internal to engine/checkpoint. */
#pragma once
#include "engine/checkpoint/checkpoint.h"

typedef struct _FwCheckpointFile FwCheckpointFile;

/* One file format; a row of the table in checkpoint.c. */
typedef struct {
  const char *layout;  /* for people: "safetensors" */
  /* Whether the first bytes are those of this format. */
  gboolean (*recognizes) (const guint8 *data, gsize size);
  /* Fills @file's storages and entries; every entry must be proven to lie inside its storage, and every storage inside the
   * file. @part as in fw_checkpoint_open_part(). */
  gboolean (*open) (FwCheckpointFile *file, const char *part, GError **error);
} FwCheckpointFormat;

extern const FwCheckpointFormat fw_safetensors_format, fw_torch_zip_format, fw_torch_legacy_format;

/* A run of bytes that tensors view: in the mapped file as it is, or deflated there. */
typedef struct {
  guint64 position, stored;  /* in the file */
  guint64 size;              /* bytes of elements: equals @stored unless deflated */
  gboolean deflated;
  guint32 checksum;          /* of the inflated bytes */
  guint8 *inflated;          /* owned; made at the first read */
} FwCheckpointStorage;

/* A tensor and where its first element lies. The public part comes first, so that its address is the entry's. */
typedef struct {
  FwCheckpointTensor tensor;  /* owns its name */
  guint file;                 /* index into the checkpoint's files */
  guint storage;
  guint64 offset;             /* bytes into the storage */
} FwCheckpointEntry;

struct _FwCheckpointFile {
  const FwCheckpointFormat *format;
  char *path;
  GMappedFile *mapped;
  const guint8 *data;
  gsize size;
  gboolean swapped;       /* elements are big-endian */
  GArray *storages;       /* FwCheckpointStorage */
  GArray *entries;        /* FwCheckpointEntry */
  GHashTable *metadata;   /* string -> string, or NULL */
};

/* Sets “@path” cannot be loaded: ... as a FORMAT error; returns FALSE. */
gboolean fw_checkpoint_refuse (const char *path, GError **error, const char *format, ...) G_GNUC_PRINTF (3, 4);
/* Text of a hostile file made fit for a message: valid UTF-8, printable, short. Free with g_free(). */
char *fw_checkpoint_quotable (const char *text, gsize length);
/* Opens one file with the format that recognizes it; the error names file and reason. */
FwCheckpointFile *fw_checkpoint_file_open (const char *path, const char *part, GError **error);
void fw_checkpoint_file_free (FwCheckpointFile *file);
/* The elements of @storage, little- or big-endian as @file says. NULL with an error if it cannot be inflated. */
const guint8 *fw_checkpoint_file_bytes (FwCheckpointFile *file, guint storage, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwCheckpointFile, fw_checkpoint_file_free)
