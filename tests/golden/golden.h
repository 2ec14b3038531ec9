/* SPDX-License-Identifier: Apache-2.0
 * The golden program: a case folder names its runner; the runner computes and compares tensors through this interface. */
#pragma once
#include <json-glib/json-glib.h>
#include "engine/checkpoint/checkpoint.h"

typedef struct {
  char *folder;
  JsonObject *json;      /* case.json or manifest.json */
  FwCheckpoint *io;      /* io.safetensors, or NULL */
  int compared, failed;  /* tensors (or items) so far */
} GoldenCase;

/* Runs one case; returns FALSE with an error if it could not be run at all. */
typedef gboolean (*GoldenRun) (GoldenCase *golden, GError **error);
typedef struct { const char *runner; GoldenRun run; } GoldenRunner;

/* A path inside the case folder; free with g_free(). */
char *golden_path (GoldenCase *golden, const char *name);
gboolean golden_has (GoldenCase *golden, const char *name);
/* A tensor of io.safetensors as dense floats (int64 tensors are converted), doubles or int64; @shape (may be NULL) receives a
 * data-less description. A missing tensor ends the program with a message: a golden without it is no golden. Free with
 * g_free(). */
float *golden_floats (GoldenCase *golden, const char *name, FwTensor *shape);
double *golden_doubles (GoldenCase *golden, const char *name, FwTensor *shape);
gint64 *golden_integers (GoldenCase *golden, const char *name, FwTensor *shape);
/* Numbers of case.json by dotted path ("tolerance.atol"), with a default. */
double golden_number (GoldenCase *golden, const char *path, double otherwise);
/* Prints one line (name, max abs, max relative to the expected maximum, tolerance) and counts a failure where any
 * |got - want| > atol + rtol*|want| or got is not finite where want is. Returns whether it passed. */
gboolean golden_compare (GoldenCase *golden, const char *name, const float *got, const float *want, gsize count, double atol,
                         double rtol);
gboolean golden_compare_doubles (GoldenCase *golden, const char *name, const double *got, const double *want, gsize count,
                                 double atol, double rtol);
/* As above against the tensor @name of io.safetensors, whose element count must be @count. */
gboolean golden_compare_io (GoldenCase *golden, const char *name, const float *got, gsize count, double atol, double rtol);
/* How far bf16 moves the result @name: prints the largest difference as a share of the largest @exact, and the root mean square
 * difference as a share of that of @exact. Counts a failure where case.json states bounds ("bf16_drift.NAME.max", ".rms") and
 * one is passed, or where @got is not finite; a case that states none is only measured. */
void golden_drift (GoldenCase *golden, const char *name, const float *got, const float *exact, gsize count);
/* Records a check that is not a tensor; @format says what was wrong. */
gboolean golden_check (GoldenCase *golden, gboolean passed, const char *format, ...) G_GNUC_PRINTF (3, 4);
