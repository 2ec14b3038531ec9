/* SPDX-License-Identifier: Apache-2.0
 * Checkpoint files: valid ones must load to the bytes PyTorch gave, damaged and hostile ones must end in one sentence that names
 * file and reason, and bytes flipped at random must never do worse. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/safetensors-write.h"

static char *
data_path (const char *name)
{
  return g_build_filename (g_getenv ("FRAMEWRIGHT_TEST_DATA"), "data", "checkpoint", name, NULL);
}

static gpointer
read_tensor (FwCheckpoint *checkpoint, const char *name, FwDtype dtype, gsize *bytes)
{
  const FwCheckpointTensor *tensor = fw_checkpoint_find (checkpoint, name);
  g_assert_nonnull (tensor);
  FwTensor shape = fw_tensor_dense (NULL, dtype, tensor->rank, tensor->dim);
  gsize size = (gsize) fw_tensor_count (&shape) * fw_dtype_size (dtype);
  gpointer data = g_malloc0 (size + 1);
  GError *error = NULL;
  g_assert_true (fw_checkpoint_read (checkpoint, tensor, dtype, data, &error));
  g_assert_no_error (error);
  if (bytes != NULL)
    *bytes = size;
  return data;
}

/* @expected holds the flattened tensors of the whole file as PyTorch read them. */
static void
test_valid (gconstpointer file)
{
  g_autofree char *path = data_path (file), *expected = g_strconcat (path, ".expected.safetensors", NULL);
  GError *error = NULL;
  g_autoptr (FwCheckpoint) got = fw_checkpoint_open_part (path, "", &error);
  g_assert_no_error (error);
  g_autoptr (FwCheckpoint) want = fw_checkpoint_open (expected, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (fw_checkpoint_count (got), ==, fw_checkpoint_count (want));
  for (guint i = 0; i < fw_checkpoint_count (want); i++) {
    const FwCheckpointTensor *tensor = fw_checkpoint_tensor (want, i), *twin = fw_checkpoint_find (got, tensor->name);
    g_assert_nonnull (twin);
    g_assert_cmpint (twin->dtype, ==, tensor->dtype);
    g_assert_cmpmem (twin->dim, sizeof twin->dim[0] * (gsize) twin->rank, tensor->dim,
                     sizeof tensor->dim[0] * (gsize) tensor->rank);
    gsize got_size, want_size;
    g_autofree gpointer got_bytes = read_tensor (got, tensor->name, tensor->dtype, &got_size);
    g_autofree gpointer want_bytes = read_tensor (want, tensor->name, tensor->dtype, &want_size);
    g_assert_cmpmem (got_bytes, got_size, want_bytes, want_size);
  }
}

static void
test_parts (void)
{
  g_autofree char *path = data_path ("nested_state_dict_ema_module.ckpt");
  GError *error = NULL;
  g_autoptr (FwCheckpoint) usual = fw_checkpoint_open (path, &error);
  g_assert_no_error (error);
  g_assert_nonnull (fw_checkpoint_find (usual, "blocks.0.w"));
  g_autoptr (FwCheckpoint) chosen = fw_checkpoint_open_part (path, "module", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (fw_checkpoint_count (chosen), ==, 1);
  g_assert_nonnull (fw_checkpoint_find (chosen, "a"));
  g_assert_null (fw_checkpoint_open_part (path, "absent", &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_FORMAT);
  g_clear_error (&error);
}

static void
expect_refusal (const char *path, const char *reason)
{
  GError *error = NULL;
  FwCheckpoint *checkpoint = fw_checkpoint_open (path, &error);
  g_assert_null (checkpoint);
  g_assert_nonnull (error);
  g_assert_true (error->domain == FW_ERROR);
  g_autofree char *name = g_path_get_basename (path);
  if (strstr (error->message, name) == NULL || strstr (error->message, reason) == NULL || strchr (error->message, '\n') != NULL)
    g_error ("“%s” should name %s and say “%s”", error->message, name, reason);
  g_error_free (error);
}

static const struct { const char *file, *reason; } hostile[] = {
  { "os_system.pth", "os.system" }, { "posix_system_beside_weights.pth", "posix.system" },
  { "whitelisted_module_wrong_name.pth", "torch._utils.os.system" }, { "legacy_os_system.pth", "os.system" },
  { "sparse.pth", "_rebuild_sparse_tensor" }, { "bad_persistent_id.pth", "no storage" },
  { "shape_product_overflow.pth", "more elements than can exist" }, { "offset_outside.pth", "outside its storage" },
  { "stride_outside.pth", "outside its storage" }, { "wrong_storage_size.pth", "24 bytes instead of 4000" },
  { "missing_storage.pth", "“7” is missing" }, { "storage_key_traversal.pth", "is missing" },
  { "billion_laughs.pth", "no tensors" }, { "binbytes8_huge.pth", "ends too early" }, { "bad_utf8_key.pth", "not UTF-8" },
  { "memo_index_huge.pth", "memo number" }, { "odd_setitems.pth", "key without a value" }, { "two_roots.pth", "two checkpoints" },
  { "torchscript.pt", "TorchScript" }, { "truncated_half.pth", "cut" }, { "cd_offset_outside.pth", "outside the file" },
  { "cd_size_lie.pth", "outside the file" }, { "cd_encrypted.pth", "encrypted" }, { "legacy_truncated.pth", "cut" },
  { "legacy_numel_lie.pth", "another length" },
};

static void
test_hostile (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (hostile); i++) {
    g_autofree char *path = data_path (hostile[i].file);
    expect_refusal (path, hostile[i].reason);
  }
}

static char *
scratch_path (const char *folder, const char *name)
{
  return g_build_filename (folder, name, NULL);
}

static char *
make_folder (void)
{
  GError *error = NULL;
  char *folder = g_dir_make_tmp ("checkpoint-XXXXXX", &error);
  g_assert_no_error (error);
  return folder;
}

static void
remove_folder (const char *folder)
{
  g_autoptr (GDir) entries = g_dir_open (folder, 0, NULL);
  for (const char *name; (name = g_dir_read_name (entries)) != NULL;) {
    g_autofree char *path = scratch_path (folder, name);
    if (g_file_test (path, G_FILE_TEST_IS_DIR))
      remove_folder (path);
    else
      g_unlink (path);
  }
  g_rmdir (folder);
}

static void
put_file (const char *path, gconstpointer data, gsize size)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, data, size), ==, (gssize) size);
  close (fd);
}

static void
put_safetensors (const char *path, const char *header, gsize data)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint64 length = GUINT64_TO_LE ((guint64) strlen (header));
  g_byte_array_append (bytes, (const guint8 *) &length, 8);
  g_byte_array_append (bytes, (const guint8 *) header, (guint) strlen (header));
  for (gsize i = 0; i < data; i++)
    g_byte_array_append (bytes, (const guint8[]) { (guint8) (i + 1) }, 1);
  put_file (path, bytes->data, bytes->len);
}

#define ONE(fields) "{\"w\":{" fields "}}"
#define BYTES(name, count, range) "\"" name "\":{\"dtype\":\"U8\",\"shape\":[" count "],\"data_offsets\":[" range "]}"
static const struct { const char *header; gsize data; const char *reason; /* NULL: loads */ } headers[] = {
  { ONE ("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]"), 8, NULL },
  { " " ONE ("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]"), 8, "" },
  { ONE ("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]") "   ", 8, NULL },
  { ONE ("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"extra\":[1,{\"a\":-2.5e3}]"), 8, NULL },
  { ONE ("\"dtype\":\"C64\",\"shape\":[1],\"data_offsets\":[0,8]"), 8, NULL },
  { "{\"\\ud83c\\udfac\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", 1, NULL },
  { "{}", 0, NULL },
  { "{}", 1, "1 bytes after" },
  { ONE ("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]"), 7, "cut" },
  { ONE ("\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]"), 8, "does not agree" },
  { ONE ("\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]"), 0, "does not agree" },
  { ONE ("\"dtype\":\"F32\",\"shape\":[0,4611686018427387904,4611686018427387904],\"data_offsets\":[0,0]"), 0, "does not agree" },
  { ONE ("\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]"), 4, "more dimensions" },
  { ONE ("\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]"), 8, "negative" },
  { ONE ("\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]"), 8, "whole number" },
  { ONE ("\"dtype\":\"F32\",\"shape\":[02],\"data_offsets\":[0,8]"), 8, "starts with 0" },
  { ONE ("\"dtype\":\"F32\",\"shape\":[18446744073709551616],\"data_offsets\":[0,8]"), 8, "64 bits" },
  { ONE ("\"dtype\":\"Q4_K\",\"shape\":[2],\"data_offsets\":[0,8]"), 8, "tensor “w”: the element type" },
  { ONE ("\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]"), 8, "twice" },
  { ONE ("\"dtype\":\"F32\",\"shape\":[2]"), 8, "missing" },
  { ONE ("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],"), 8, "trailing comma" },
  { ONE ("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]"), 8, "unexpected character" },
  { ONE ("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]") "x", 8, "text after" },
  { "{\"w\\ud83c\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", 1, "surrogate" },
  { "{\"w\\u0000\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", 1, "NUL" },
  { "{\"w\n\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", 1, "control character" },
  { "{" BYTES ("a", "2", "0,2") "," BYTES ("b", "2", "1,3") "}", 3, "overlap" },
  { "{" BYTES ("a", "1", "0,1") "," BYTES ("b", "1", "2,3") "}", 3, "hole" },
  { "{" BYTES ("a", "1", "0,1") "," BYTES ("a", "1", "1,2") "}", 2, "twice" },
  { "{\"__metadata__\":{\"a\":\"b\",\"c\":1}}", 0, "unexpected character" },
  { "{\"__metadata__\":{\"a\":\"b\",\"c\":\"d\"}}", 0, NULL },
};

static void
test_headers (void)
{
  g_autofree char *folder = make_folder (), *path = scratch_path (folder, "model.safetensors");
  for (gsize i = 0; i < G_N_ELEMENTS (headers); i++) {
    put_safetensors (path, headers[i].header, headers[i].data);
    GError *error = NULL;
    g_autoptr (FwCheckpoint) checkpoint = fw_checkpoint_open (path, &error);
    if (headers[i].reason == NULL) {
      g_assert_no_error (error);
    } else {
      g_assert_null (checkpoint);
      expect_refusal (path, headers[i].reason);
      g_clear_error (&error);
    }
  }
  g_autoptr (GString) deep = g_string_new ("{\"w\":{\"x\":");
  for (int i = 0; i < 100000; i++)
    g_string_append_c (deep, '[');
  put_safetensors (path, deep->str, 0);
  expect_refusal (path, "nested too deeply");
  remove_folder (folder);
}

static void
test_strangers (void)
{
  static const struct { const char *name, *text, *reason; } strangers[] = {
    { "a.safetensors", "", "empty" }, { "b.pth", "PK\3\4", "cut" }, { "c.pth", "noise and nothing else", "neither" },
    { "d.safetensors", "noise and nothing else", "header would be longer" },
    { "e.bin", "version https://git-lfs.github.com/spec/v1\noid x", "Git LFS" },
    { "f.ckpt", "\n <!DOCTYPE html><html>", "web page" }, { "g.pt", "\x80\2cos\nsystem\n", "bare Python pickle" },
    { "h.safetensors", "abc", "too short" },
  };
  g_autofree char *folder = make_folder ();
  for (gsize i = 0; i < G_N_ELEMENTS (strangers); i++) {
    g_autofree char *path = scratch_path (folder, strangers[i].name);
    put_file (path, strangers[i].text, strlen (strangers[i].text));
    expect_refusal (path, strangers[i].reason);
  }
  expect_refusal (folder, "8 checkpoint files");
  remove_folder (folder);

  g_autofree char *empty = make_folder (), *pipe = scratch_path (empty, "pipe.pth"), *absent = scratch_path (empty, "absent.pth");
  expect_refusal (empty, "no checkpoint");
  g_assert_cmpint (mkfifo (pipe, 0600), ==, 0);
  expect_refusal (pipe, "regular file");
  expect_refusal (absent, "No such file");
  remove_folder (empty);
}

static void
test_folders (void)
{
  static const char one[] = "{" BYTES ("a", "1", "0,1") "," BYTES ("x", "1", "1,2") "}";
  static const char two[] = "{" BYTES ("b", "1", "0,1") "," BYTES ("x", "1", "1,2") "}";
  static const char map[] = "{\"metadata\":{\"total_size\":2},"
                            "\"weight_map\":{\"a\":\"one.bin\",\"b\":\"two.bin\",\"x\":\"two.bin\"}}";
  g_autofree char *folder = make_folder (), *model = scratch_path (folder, "model");
  g_autofree char *index = scratch_path (model, "pytorch_model.bin.index.json"), *stray = scratch_path (folder, "ema.pt");
  g_autofree char *first = scratch_path (model, "one.bin"), *second = scratch_path (model, "two.bin");
  g_assert_cmpint (g_mkdir (model, 0700), ==, 0);
  put_file (stray, "not looked at", 13);
  put_file (index, map, strlen (map));
  put_safetensors (first, one, 2);
  expect_refusal (index, "“two.bin” is missing");
  put_safetensors (second, two, 2);
  GError *error = NULL;
  g_autoptr (FwCheckpoint) checkpoint = fw_checkpoint_open (folder, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (fw_checkpoint_layout (checkpoint), ==, "safetensors, 2 shards");
  g_assert_cmpuint (fw_checkpoint_count (checkpoint), ==, 3);
  g_autofree guint8 *x = read_tensor (checkpoint, "x", FW_DTYPE_U8, NULL);
  g_assert_cmpuint (x[0], ==, 2);

  static const struct { const char *json, *reason; } bad[] = {
    { "{\"weight_map\":{\"a\":\"../one.bin\"}}", "plain file name" },
    { "{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "plain file name" },
    { "{\"weight_map\":{\"a\":\"..\"}}", "plain file name" },
    { "{\"weight_map\":{\"a\":\"one.bin\",\"zz\":\"one.bin\"}}", "“zz”" },
    { "{\"weight_map\":{\"a\":\"one.bin\",\"a\":\"two.bin\"}}", "twice" }, { "{\"weight_map\":{}}", "no shards" },
    { "{}", "no weight_map" },
    { "[]", "unexpected" }, { "{\"weight_map\":{\"a\":\"pytorch_model.bin.index.json\"}}", "plain file name" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    put_file (index, bad[i].json, strlen (bad[i].json));
    expect_refusal (index, bad[i].reason);
  }
  remove_folder (folder);
}

static void
test_write (void)
{
  float values[6] = { 1, -2.5f, 1.00390625f, 3e38f, 0, 65504 };
  gint64 ids[2] = { 7, -1 }, shape[2] = { 2, 3 }, pair[1] = { 2 };
  FwSafetensorsEntry entries[] = {
    { "ids \"é\"\n", fw_tensor_dense (ids, FW_DTYPE_I64, 1, pair), FW_DTYPE_I32 },
    { "half", fw_tensor_dense (values, FW_DTYPE_F32, 2, shape), FW_DTYPE_BF16 },
    { "full", fw_tensor_dense (values, FW_DTYPE_F32, 2, shape), FW_DTYPE_F32 },
  };
  g_autofree char *folder = make_folder (), *path = scratch_path (folder, "out.safetensors");
  g_autoptr (GHashTable) metadata = g_hash_table_new (g_str_hash, g_str_equal);
  g_hash_table_insert (metadata, "format", "pt");
  GError *error = NULL;
  g_assert_true (fw_safetensors_write (path, entries, 3, metadata, &error));
  g_assert_no_error (error);

  g_autofree char *raw = NULL;
  gsize size;
  g_assert_true (g_file_get_contents (path, &raw, &size, NULL));
  guint64 length;
  memcpy (&length, raw, 8);
  g_assert_cmpuint ((8 + GUINT64_FROM_LE (length)) % 64, ==, 0);
  g_assert_cmpuint (size, ==, 8 + GUINT64_FROM_LE (length) + 2 * 4 + 6 * 2 + 6 * 4);

  g_autoptr (FwCheckpoint) checkpoint = fw_checkpoint_open (path, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (fw_checkpoint_metadata (checkpoint, "format"), ==, "pt");
  g_autofree gint64 *back = read_tensor (checkpoint, "ids \"é\"\n", FW_DTYPE_I64, NULL);
  g_assert_cmpint (back[0], ==, 7);
  g_assert_cmpint (back[1], ==, -1);
  static const float rounded[6] = { 1, -2.5f, 1.0f, 0x1.c4p127f, 0, 65536 };
  g_autofree float *half = read_tensor (checkpoint, "half", FW_DTYPE_F32, NULL);
  for (int i = 0; i < 6; i++)
    g_assert_cmpfloat (half[i], ==, rounded[i]);
  g_assert_cmpmem (fw_checkpoint_map (checkpoint, fw_checkpoint_find (checkpoint, "full")), sizeof values, values, sizeof values);

  guint8 bytes[2];
  g_assert_false (fw_checkpoint_read (checkpoint, fw_checkpoint_find (checkpoint, "ids \"é\"\n"), FW_DTYPE_U8, bytes, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_CHECKPOINT);
  g_clear_error (&error);
  ids[0] = G_MAXINT64;
  g_assert_false (fw_safetensors_write (path, entries, 3, metadata, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_CHECKPOINT);
  g_clear_error (&error);
  entries[2].name = "half";
  g_assert_false (fw_safetensors_write (path, entries, 3, metadata, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_INVALID);
  g_clear_error (&error);
  g_autofree char *after = NULL;
  gsize after_size;
  g_assert_true (g_file_get_contents (path, &after, &after_size, NULL));
  g_assert_cmpmem (after, after_size, raw, size);
  remove_folder (folder);
}

static void
test_float8 (void)
{
  /* E4M3: 1, -0.5, 448 (largest), 2^-9 (smallest), NaN; E5M2: 1, 57344 (largest), infinity, 2^-16 */
  static const char header[] = "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[5],\"data_offsets\":[0,5]},"
                               "\"b\":{\"dtype\":\"F8_E5M2\",\"shape\":[4],\"data_offsets\":[5,9]}}";
  static const guint8 codes[9] = { 0x38, 0xb0, 0x7e, 0x01, 0x7f, 0x3c, 0x7b, 0x7c, 0x01 };
  g_autofree char *folder = make_folder (), *path = scratch_path (folder, "f8.safetensors");
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint64 length = GUINT64_TO_LE ((guint64) strlen (header));
  g_byte_array_append (bytes, (const guint8 *) &length, 8);
  g_byte_array_append (bytes, (const guint8 *) header, (guint) strlen (header));
  g_byte_array_append (bytes, codes, sizeof codes);
  put_file (path, bytes->data, bytes->len);
  GError *error = NULL;
  g_autoptr (FwCheckpoint) checkpoint = fw_checkpoint_open (path, &error);
  g_assert_no_error (error);
  g_autofree float *a = read_tensor (checkpoint, "a", FW_DTYPE_F32, NULL), *b = read_tensor (checkpoint, "b", FW_DTYPE_F32, NULL);
  g_assert_cmpfloat (a[0], ==, 1);
  g_assert_cmpfloat (a[1], ==, -0.5f);
  g_assert_cmpfloat (a[2], ==, 448);
  g_assert_cmpfloat (a[3], ==, 0x1p-9f);
  g_assert_true (a[4] != a[4]);
  g_assert_cmpfloat (b[0], ==, 1);
  g_assert_cmpfloat (b[1], ==, 57344);
  g_assert_cmpfloat (b[2], >, 3e38f);
  g_assert_cmpfloat (b[3], ==, 0x1p-16f);
  remove_folder (folder);
}

/* A deflated storage is checked against its CRC when it is read. */
static void
test_wrong_crc (void)
{
  g_autofree char *seed = data_path ("recompressed_deflate.pth"), *bytes = NULL;
  g_autofree char *folder = make_folder (), *path = scratch_path (folder, "crc.pth");
  gsize size, changed = 0;
  g_assert_true (g_file_get_contents (seed, &bytes, &size, NULL));
  for (gsize i = 0; i + 46 + 6 < size; i++)
    if (memcmp (bytes + i, "PK\1\2", 4) == 0 && g_strstr_len (bytes + i + 46, (guint8) bytes[i + 28], "data/0") != NULL) {
      bytes[i + 16] ^= 1;
      changed++;
    }
  g_assert_cmpuint (changed, ==, 1);
  put_file (path, bytes, size);
  GError *error = NULL;
  g_autoptr (FwCheckpoint) checkpoint = fw_checkpoint_open (path, &error);
  g_assert_no_error (error);
  float values[256];
  g_assert_false (fw_checkpoint_read (checkpoint, fw_checkpoint_find (checkpoint, "w"), FW_DTYPE_F32, values, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_FORMAT);
  g_clear_error (&error);
  remove_folder (folder);
}

/* Opens what may be damaged in any way and reads all of it that is not absurdly large. */
static gboolean
open_and_read (const char *path)
{
  GError *error = NULL;
  g_autoptr (FwCheckpoint) checkpoint = fw_checkpoint_open_part (path, "", &error);
  g_assert_true ((checkpoint == NULL) == (error != NULL));
  for (guint i = 0; checkpoint != NULL && i < fw_checkpoint_count (checkpoint); i++) {
    const FwCheckpointTensor *tensor = fw_checkpoint_tensor (checkpoint, i);
    FwTensor shape = fw_tensor_dense (NULL, tensor->dtype, tensor->rank, tensor->dim);
    if (fw_tensor_count (&shape) > 1 << 20)
      continue;
    g_autofree gpointer data = g_malloc0 ((gsize) fw_tensor_count (&shape) * 8 + 1);
    if (!fw_checkpoint_read (checkpoint, tensor, tensor->dtype, data, &error))
      g_clear_error (&error);
  }
  g_clear_error (&error);
  return checkpoint != NULL;
}

static void
test_flipped_bytes (void)
{
  static const char *const seeds[] = {
    "zip_all_dtypes.pth", "nested_state_dict_ema_module.ckpt", "views_shared_storage.pt", "recompressed_deflate.pth",
    "legacy.pth",
    "opaque_objects.ckpt", "protocol5.pth", "float8.pth", "zip64.pth", "zip_all_dtypes.pth.expected.safetensors",
  };
  const char *wanted = g_getenv ("FRAMEWRIGHT_FUZZ_SECONDS");
  gint64 end = g_get_monotonic_time () + (wanted != NULL ? g_ascii_strtoll (wanted, NULL, 10) : 2) * G_USEC_PER_SEC;
  g_autoptr (GRand) rand = g_rand_new_with_seed (20240403);
  g_autofree char *folder = make_folder (), *path = scratch_path (folder, "flipped");
  guint loaded = 0, tried = 0;
  for (; g_get_monotonic_time () < end; tried++) {
    g_autofree char *seed = data_path (seeds[tried % G_N_ELEMENTS (seeds)]), *bytes = NULL;
    gsize size;
    g_assert_true (g_file_get_contents (seed, &bytes, &size, NULL));
    for (int flips = g_rand_int_range (rand, 1, 6); flips > 0; flips--) {
      static const guint8 telling[] = { 0x00, 0xff, 0x7f, 0x80, 0x01, '(', '.', 'R', 'Q', 't', '0', 'h' };
      gsize at = (gsize) g_rand_int_range (rand, 0, (gint32) size);
      bytes[at] = (char) (g_rand_boolean (rand) ? telling[g_rand_int_range (rand, 0, G_N_ELEMENTS (telling))]
                          : g_rand_int_range (rand, 0, 256));
    }
    put_file (path, bytes, g_rand_int_range (rand, 0, 8) == 0 ? (gsize) g_rand_int_range (rand, 0, (gint32) size) : size);
    loaded += open_and_read (path);
  }
  g_test_message ("%u files tried, %u loaded", tried, loaded);
  g_assert_cmpuint (loaded, >, 0);
  g_assert_cmpuint (loaded, <, tried);
  remove_folder (folder);
}

int
main (int argc, char **argv)
{
  static const char *const valid[] = {
    "zip_all_dtypes.pth", "nested_state_dict_ema_module.ckpt", "views_shared_storage.pt", "big_endian.pth",
    "recompressed_deflate.pth",
    "legacy.pth", "opaque_objects.ckpt", "self_reference.pth", "protocol5.pth", "float8.pth", "zip64.pth", "python2.pth",
  };
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (valid); i++) {
    g_autofree char *name = g_strconcat ("/checkpoint/valid/", valid[i], NULL);
    g_test_add_data_func (name, valid[i], test_valid);
  }
  g_test_add_func ("/checkpoint/parts", test_parts);
  g_test_add_func ("/checkpoint/hostile", test_hostile);
  g_test_add_func ("/checkpoint/headers", test_headers);
  g_test_add_func ("/checkpoint/strangers", test_strangers);
  g_test_add_func ("/checkpoint/folders", test_folders);
  g_test_add_func ("/checkpoint/write", test_write);
  g_test_add_func ("/checkpoint/float8", test_float8);
  g_test_add_func ("/checkpoint/wrong-crc", test_wrong_crc);
  g_test_add_func ("/checkpoint/flipped-bytes", test_flipped_bytes);
  return g_test_run ();
}
