/* SPDX-License-Identifier: Apache-2.0
 * A pickle reader that builds tensors and plain containers and nothing else. A call in a pickle is never made: the few callables
 * PyTorch writes are known by module and name, any other becomes an inert value. Internal to engine/checkpoint. */
#pragma once
#include <glib.h>
#include "engine/checkpoint/backend.h"

typedef enum {
  FW_PICKLE_PLAIN,    /* a value of no use here: None, a float, bytes, a big integer, a set */
  FW_PICKLE_INTEGER,  /* also booleans */
  FW_PICKLE_STRING,   /* valid UTF-8, may hold NUL */
  FW_PICKLE_LIST, FW_PICKLE_TUPLE,
  FW_PICKLE_DICT,     /* items: key, value, key, value, ... */
  FW_PICKLE_GLOBAL,   /* a class or function, known or foreign */
  FW_PICKLE_FOREIGN,  /* what calling a foreign global would have given */
  FW_PICKLE_STORAGE, FW_PICKLE_TENSOR
} FwPickleKind;

typedef struct _FwPickleValue FwPickleValue;
typedef struct _FwPickleGlobal FwPickleGlobal;

/* A tensor's shape with the part of a storage it views; checked to lie inside. */
typedef struct {
  FwCheckpointTensor tensor;  /* no name yet */
  guint storage;
  guint64 offset;             /* bytes */
} FwPickleTensor;

struct _FwPickleValue {
  FwPickleKind kind;
  guint8 walk;  /* for the walk over the finished value */
  union {
    gint64 integer;
    struct { const char *text; gsize length; } string;                 /* in the pickle's bytes */
    struct { FwPickleValue **items; guint count, capacity; } list;
    struct { const FwPickleGlobal *known; const char *module, *name; guint module_length, name_length; } global;
    const FwPickleValue *origin;                                       /* of a foreign value: its global */
    struct { guint index; FwDtype dtype; gboolean untyped; guint64 first, count; } storage; /* in elements; bytes if untyped */
    FwPickleTensor *tensor;
  };
};

/* A storage that a pickle names; where its bytes are is the container's matter. */
typedef struct {
  const char *key;
  gsize key_length;
  guint64 count;       /* elements (bytes if untyped) */
  guint64 size;        /* bytes */
} FwPickleStorage;

/* Everything read from one file's pickles. The bytes must outlive it. */
typedef struct {
  const char *path;     /* for messages */
  GPtrArray *chunks;    /* all values, owned */
  guint n_values;
  FwPickleValue *foreign; /* the first foreign value, or NULL */
  GArray *storages;     /* FwPickleStorage */
  GTree *storage_keys;  /* FwPickleStorage key -> index + 1 */
} FwPickle;

void fw_pickle_init (FwPickle *pickle, const char *path);
void fw_pickle_clear (FwPickle *pickle);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FwPickle, fw_pickle_clear)

/* Reads one pickle from @data and returns its root, owned by @pickle; @used (may be NULL) is its length. */
FwPickleValue *fw_pickle_load (FwPickle *pickle, const guint8 *data, gsize size, gsize *used, GError **error);
/* Appends the tensors of the part chosen as fw_checkpoint_open_part() says to @file's entries, nested names joined by "/". */
gboolean fw_pickle_list_tensors (FwPickle *pickle, FwPickleValue *root, const char *part, FwCheckpointFile *file, GError **error);

/* pickle-value.c: values, and the access the other files share. fw_pickle_new() fails beyond the number a checkpoint may need. */
FwPickleValue *fw_pickle_new (FwPickle *pickle, FwPickleKind kind, GError **error);
void fw_pickle_append (FwPickleValue *container, FwPickleValue *item);
gboolean fw_pickle_is_string (const FwPickleValue *value, const char *text);
/* "module.name" of a global or of a foreign value, fit for a message; free with g_free(). */
char *fw_pickle_describe (const FwPickleValue *value);

/* pickle-call.c: globals known by their whole (module, name), and what "calling" them builds. */
const FwPickleGlobal *fw_pickle_find_global (const char *module, gsize module_length, const char *name, gsize name_length);
FwPickleValue *fw_pickle_call (FwPickle *pickle, const FwPickleValue *callable, const FwPickleValue *arguments, GError **error);
/* The storage a persistent id names: ("storage", class, key, location, count[, view]). */
FwPickleValue *fw_pickle_persistent (FwPickle *pickle, const FwPickleValue *id, GError **error);
