/* SPDX-License-Identifier: Apache-2.0
 * What the calls in a pickle build: the callables PyTorch writes into checkpoints, matched by whole module and name. */
#include "engine/checkpoint/pickle.h"

#include <string.h>

typedef FwPickleValue *(*Call) (FwPickle *pickle, const FwPickleValue *callable, const FwPickleValue *arguments, GError **error);

struct _FwPickleGlobal {
  const char *module, *name;
  Call call;         /* NULL: cannot be called */
  int dtype;         /* of a storage class or an element type, else -1 */
  gboolean storage, untyped;
};

/* A view may repeat its storage (stride 0), but not so that its dense copy becomes a surprise. */
enum { MAX_REPEATS = 16, MAX_KEY = 255 };
static const guint64 largest_free_repeat = (guint64) 256 << 20;

static FwPickleValue *
fail (FwPickle *pickle, GError **error, const char *why)
{
  fw_checkpoint_refuse (pickle->path, error, "%s", why);
  return NULL;
}

/* The @index-th item, or NULL if it is missing or of another kind. */
static FwPickleValue *
item (const FwPickleValue *tuple, guint index, FwPickleKind kind)
{
  return index < tuple->list.count && tuple->list.items[index]->kind == kind ? tuple->list.items[index] : NULL;
}

static const char *
read_shape (const FwPickleValue *size, const FwPickleValue *stride, FwCheckpointTensor *tensor)
{
  if (size->list.count != stride->list.count)
    return "a tensor's shape and strides differ in length";
  if (size->list.count > FW_MAX_RANK)
    return "a tensor has more dimensions than the program handles";
  tensor->rank = (int) size->list.count;
  for (guint i = 0; i < size->list.count; i++) {
    const FwPickleValue *dim = item (size, i, FW_PICKLE_INTEGER), *step = item (stride, i, FW_PICKLE_INTEGER);
    if (dim == NULL || step == NULL || dim->integer < 0 || step->integer < 0)
      return "a tensor has a shape or stride that is no natural number";
    tensor->dim[i] = dim->integer;
    tensor->stride[i] = step->integer;
  }
  return NULL;
}

/* Proves that every element lies among the @count of the storage, without any product that could wrap. */
static const char *
check_extent (FwCheckpointTensor *tensor, guint64 *offset, guint64 count)
{
  guint64 elements = fw_dtype_size (tensor->dtype), last = *offset, span;
  gboolean empty = FALSE;
  for (int i = 0; i < tensor->rank; i++) {
    empty |= tensor->dim[i] == 0;
    if (!g_uint64_checked_mul (&elements, elements, (guint64) MAX (tensor->dim[i], 1)) || elements > G_MAXINT64)
      return "a tensor claims more elements than can exist";
  }
  if (empty) {
    *offset = 0;
    for (int i = 0; i < tensor->rank; i++)
      tensor->stride[i] = 0;
    return NULL;
  }
  for (int i = 0; i < tensor->rank; i++)
    if (!g_uint64_checked_mul (&span, (guint64) tensor->dim[i] - 1, (guint64) tensor->stride[i])
        || !g_uint64_checked_add (&last, last, span))
      return "a tensor reaches outside its storage";
  if (last >= count)
    return "a tensor reaches outside its storage";
  if (elements > largest_free_repeat && elements / MAX_REPEATS > count * fw_dtype_size (tensor->dtype))
    return "a tensor repeats its storage too often";
  return NULL;
}

static FwPickleValue *
build_tensor (FwPickle *pickle, const FwPickleValue *arguments, int dtype, GError **error)
{
  const FwPickleValue *storage = item (arguments, 0, FW_PICKLE_STORAGE), *offset = item (arguments, 1, FW_PICKLE_INTEGER);
  const FwPickleValue *size = item (arguments, 2, FW_PICKLE_TUPLE), *stride = item (arguments, 3, FW_PICKLE_TUPLE);
  if (storage == NULL || offset == NULL || offset->integer < 0 || size == NULL || stride == NULL)
    return fail (pickle, error, "a tensor is described in a way PyTorch does not write");
  if (storage->storage.untyped != (dtype >= 0))
    return fail (pickle, error, "a tensor's element type is not clear");
  FwPickleTensor made = { .storage = storage->storage.index };
  made.tensor.dtype = dtype >= 0 ? (FwDtype) dtype : storage->storage.dtype;
  gsize element = fw_dtype_size (made.tensor.dtype);
  guint64 first = (guint64) offset->integer, count = storage->storage.count / (storage->storage.untyped ? element : 1);
  const char *fault = read_shape (size, stride, &made.tensor);
  if (fault == NULL)
    fault = check_extent (&made.tensor, &first, count);
  if (fault != NULL)
    return fail (pickle, error, fault);
  made.offset = (storage->storage.first + first) * element;
  FwPickleValue *value = fw_pickle_new (pickle, FW_PICKLE_TENSOR, error);
  if (value != NULL)
    value->tensor = g_memdup2 (&made, sizeof made);
  return value;
}

static FwPickleValue *
rebuild_tensor (FwPickle *pickle, const FwPickleValue *callable, const FwPickleValue *arguments, GError **error)
{
  return build_tensor (pickle, arguments, -1, error);
}

static FwPickleValue *
rebuild_tensor_v3 (FwPickle *pickle, const FwPickleValue *callable, const FwPickleValue *arguments, GError **error)
{
  const FwPickleValue *type = item (arguments, 6, FW_PICKLE_GLOBAL);
  if (type == NULL || type->global.known == NULL || type->global.known->dtype < 0 || type->global.known->storage)
    return fail (pickle, error, "a tensor has an element type that is not supported");
  return build_tensor (pickle, arguments, type->global.known->dtype, error);
}

/* A parameter is its data; what is foreign stays so. */
static FwPickleValue *
rebuild_parameter (FwPickle *pickle, const FwPickleValue *callable, const FwPickleValue *arguments, GError **error)
{
  FwPickleValue *data = item (arguments, 0, FW_PICKLE_TENSOR);
  if (data == NULL)
    data = item (arguments, 0, FW_PICKLE_FOREIGN);
  return data != NULL ? data : fail (pickle, error, "a parameter holds no tensor");
}

/* (function, type, arguments, state): a tensor with Python attributes, which are of no use here. */
static FwPickleValue *
rebuild_from_type (FwPickle *pickle, const FwPickleValue *callable, const FwPickleValue *arguments, GError **error)
{
  const FwPickleValue *function = item (arguments, 0, FW_PICKLE_GLOBAL), *inner = item (arguments, 2, FW_PICKLE_TUPLE);
  if (function == NULL || inner == NULL || (function->global.known != NULL && function->global.known->call == rebuild_from_type))
    return fail (pickle, error, "a tensor is described in a way PyTorch does not write");
  return fw_pickle_call (pickle, function, inner, error);
}

/* torch.Size of a tuple is that tuple; other arguments give an empty one. */
static FwPickleValue *
make_size (FwPickle *pickle, const FwPickleValue *callable, const FwPickleValue *arguments, GError **error)
{
  FwPickleValue *tuple = item (arguments, 0, FW_PICKLE_TUPLE);
  return tuple != NULL ? tuple : fw_pickle_new (pickle, FW_PICKLE_TUPLE, error);
}

/* Empty with the items to follow or, as Python 2 wrote it, with a list of (key, value) pairs. */
static FwPickleValue *
make_dict (FwPickle *pickle, const FwPickleValue *callable, const FwPickleValue *arguments, GError **error)
{
  FwPickleValue *dict = fw_pickle_new (pickle, FW_PICKLE_DICT, error);
  const FwPickleValue *pairs = item (arguments, 0, FW_PICKLE_LIST);
  if (pairs == NULL && arguments->list.count > 0)
    return fail (pickle, error, "a dictionary is described in a way PyTorch does not write");
  for (guint i = 0; dict != NULL && pairs != NULL && i < pairs->list.count; i++) {
    const FwPickleValue *pair = pairs->list.items[i];
    if ((pair->kind != FW_PICKLE_LIST && pair->kind != FW_PICKLE_TUPLE) || pair->list.count != 2)
      return fail (pickle, error, "a dictionary is described in a way PyTorch does not write");
    fw_pickle_append (dict, pair->list.items[0]);
    fw_pickle_append (dict, pair->list.items[1]);
  }
  return dict;
}

static FwPickleValue *
make_plain (FwPickle *pickle, const FwPickleValue *callable, const FwPickleValue *arguments, GError **error)
{
  return fw_pickle_new (pickle, FW_PICKLE_PLAIN, error);
}

#define FUNCTION(module, name, call) { module, name, call, -1, FALSE, FALSE }
#define STORAGE(name, dtype) { "torch", name, NULL, dtype, TRUE, FALSE }
#define TYPE(name, dtype) { "torch", name, NULL, dtype, FALSE, FALSE }

static const FwPickleGlobal globals[] = {
  FUNCTION ("torch._utils", "_rebuild_tensor", rebuild_tensor),
  FUNCTION ("torch._utils", "_rebuild_tensor_v2", rebuild_tensor),
  FUNCTION ("torch._utils", "_rebuild_tensor_v3", rebuild_tensor_v3),
  FUNCTION ("torch._utils", "_rebuild_parameter", rebuild_parameter),
  FUNCTION ("torch._utils", "_rebuild_parameter_with_state", rebuild_parameter),
  FUNCTION ("torch._tensor", "_rebuild_from_type_v2", rebuild_from_type),
  FUNCTION ("collections", "OrderedDict", make_dict),
  FUNCTION ("torch", "Size", make_size),
  FUNCTION ("torch", "device", make_plain),
  FUNCTION ("_codecs", "encode", make_plain),
  STORAGE ("FloatStorage", FW_DTYPE_F32), STORAGE ("HalfStorage", FW_DTYPE_F16), STORAGE ("BFloat16Storage", FW_DTYPE_BF16),
  STORAGE ("DoubleStorage", FW_DTYPE_F64), STORAGE ("LongStorage", FW_DTYPE_I64), STORAGE ("IntStorage", FW_DTYPE_I32),
  STORAGE ("ShortStorage", FW_DTYPE_I16), STORAGE ("CharStorage", FW_DTYPE_I8), STORAGE ("ByteStorage", FW_DTYPE_U8),
  STORAGE ("BoolStorage", FW_DTYPE_BOOL),
  { "torch.storage", "UntypedStorage", NULL, FW_DTYPE_U8, TRUE, TRUE },
  TYPE ("float32", FW_DTYPE_F32), TYPE ("float16", FW_DTYPE_F16), TYPE ("bfloat16", FW_DTYPE_BF16),
  TYPE ("float64", FW_DTYPE_F64),
  TYPE ("int64", FW_DTYPE_I64), TYPE ("int32", FW_DTYPE_I32), TYPE ("int16", FW_DTYPE_I16), TYPE ("int8", FW_DTYPE_I8),
  TYPE ("uint64", FW_DTYPE_U64), TYPE ("uint32", FW_DTYPE_U32), TYPE ("uint16", FW_DTYPE_U16), TYPE ("uint8", FW_DTYPE_U8),
  TYPE ("bool", FW_DTYPE_BOOL), TYPE ("float8_e4m3fn", FW_DTYPE_F8_E4M3), TYPE ("float8_e5m2", FW_DTYPE_F8_E5M2),
};

static gboolean
equals (const char *text, gsize length, const char *word)
{
  return length == strlen (word) && memcmp (text, word, length) == 0;
}

const FwPickleGlobal *
fw_pickle_find_global (const char *module, gsize module_length, const char *name, gsize name_length)
{
  for (gsize i = 0; i < G_N_ELEMENTS (globals); i++)
    if (equals (module, module_length, globals[i].module) && equals (name, name_length, globals[i].name))
      return &globals[i];
  return NULL;
}

FwPickleValue *
fw_pickle_call (FwPickle *pickle, const FwPickleValue *callable, const FwPickleValue *arguments, GError **error)
{
  if (callable->kind == FW_PICKLE_GLOBAL && callable->global.known != NULL) {
    if (callable->global.known->call != NULL)
      return callable->global.known->call (pickle, callable, arguments, error);
    return fail (pickle, error, "its pickle calls a type");
  }
  FwPickleValue *value = fw_pickle_new (pickle, FW_PICKLE_FOREIGN, error);
  if (value != NULL)
    value->origin = callable->kind == FW_PICKLE_FOREIGN ? callable->origin : callable;
  if (pickle->foreign == NULL)
    pickle->foreign = value;
  return value;
}

/* The index of the storage called @key, which must not be described in two ways. */
static gboolean
find_storage (FwPickle *pickle, const FwPickleStorage *wanted, guint *index, GError **error)
{
  guint known = GPOINTER_TO_UINT (g_tree_lookup (pickle->storage_keys, wanted));
  if (known > 0) {
    *index = known - 1;
    return g_array_index (pickle->storages, FwPickleStorage, *index).size == wanted->size
           || fw_checkpoint_refuse (pickle->path, error, "a storage is described with two sizes");
  }
  *index = pickle->storages->len;
  g_array_append_val (pickle->storages, *wanted);
  g_tree_insert (pickle->storage_keys, g_memdup2 (wanted, sizeof *wanted), GUINT_TO_POINTER (*index + 1));
  return TRUE;
}

/* The sixth item that legacy files have: None, or (key, first element, count) of a part of the storage. */
static gboolean
apply_view (FwPickleValue *storage, const FwPickleValue *id)
{
  const FwPickleValue *view = item (id, 5, FW_PICKLE_TUPLE);
  if (view == NULL)
    return TRUE;
  const FwPickleValue *first = item (view, 1, FW_PICKLE_INTEGER), *count = item (view, 2, FW_PICKLE_INTEGER);
  if (first == NULL || count == NULL || first->integer < 0 || count->integer < 0)
    return FALSE;
  if ((guint64) first->integer > storage->storage.count
      || (guint64) count->integer > storage->storage.count - (guint64) first->integer)
    return FALSE;
  storage->storage.first = (guint64) first->integer;
  storage->storage.count = (guint64) count->integer;
  return TRUE;
}

FwPickleValue *
fw_pickle_persistent (FwPickle *pickle, const FwPickleValue *id, GError **error)
{
  if (id->kind != FW_PICKLE_TUPLE || id->list.count < 5 || !fw_pickle_is_string (id->list.items[0], "storage"))
    return fail (pickle, error, "its pickle refers to something that is no storage");
  const FwPickleValue *type = item (id, 1, FW_PICKLE_GLOBAL), *key = item (id, 2, FW_PICKLE_STRING);
  const FwPickleValue *count = item (id, 4, FW_PICKLE_INTEGER);
  if (type == NULL || key == NULL || count == NULL || count->integer < 0)
    return fail (pickle, error, "a storage is described in a way PyTorch does not write");
  if (key->string.length == 0 || key->string.length > MAX_KEY || memchr (key->string.text, '\0', key->string.length) != NULL)
    return fail (pickle, error, "a storage has a key that PyTorch does not write");
  const FwPickleGlobal *known = type->global.known;
  if (known == NULL || !known->storage) {
    g_autofree char *name = fw_pickle_describe (type);
    fw_checkpoint_refuse (pickle->path, error, "its tensors are stored as “%s”, which is not supported", name);
    return NULL;
  }
  FwPickleStorage wanted = { .key = key->string.text, .key_length = key->string.length, .count = (guint64) count->integer };
  guint index;
  if (!g_uint64_checked_mul (&wanted.size, wanted.count, fw_dtype_size ((FwDtype) known->dtype)))
    return fail (pickle, error, "a storage claims more bytes than can exist");
  FwPickleValue *value = find_storage (pickle, &wanted, &index, error) ? fw_pickle_new (pickle, FW_PICKLE_STORAGE, error) : NULL;
  if (value == NULL)
    return NULL;
  value->storage.index = index;
  value->storage.dtype = (FwDtype) known->dtype;
  value->storage.untyped = known->untyped;
  value->storage.count = wanted.count;
  return apply_view (value, id) ? value : fail (pickle, error, "a part of a storage lies outside it");
}
