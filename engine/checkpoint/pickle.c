/* SPDX-License-Identifier: Apache-2.0
 * The pickle machine: a table of the opcodes real checkpoints use, each of which only moves values. The rest is refused. */
#include "engine/checkpoint/pickle.h"

#include <string.h>

enum { MAX_PROTOCOL = 5, MAX_GLOBAL_NAME = 1000 };

typedef struct {
  FwPickle *pickle;
  const guint8 *start, *at, *end;
  GPtrArray *stack, *memo;
  GArray *marks;          /* heights of the stack */
  guint memoized;
  FwPickleValue *result;  /* set by STOP */
  GError **error;
} Machine;

typedef gboolean (*Opcode) (Machine *machine);

static gboolean
damaged (Machine *machine, const char *why)
{
  return fw_checkpoint_refuse (machine->pickle->path, machine->error, "its pickle is damaged at byte %" G_GSIZE_FORMAT ": %s",
                               (gsize) (machine->at - machine->start), why);
}

static const guint8 *
take (Machine *machine, guint64 count)
{
  if (count > (guint64) (machine->end - machine->at)) {
    damaged (machine, "it ends too early");
    return NULL;
  }
  const guint8 *bytes = machine->at;
  machine->at += count;
  return bytes;
}

/* A little-endian unsigned number of @size bytes. */
static gboolean
take_number (Machine *machine, gsize size, guint64 *value)
{
  const guint8 *bytes = take (machine, size);
  if (bytes == NULL)
    return FALSE;
  *value = 0;
  for (gsize i = 0; i < size; i++)
    *value |= (guint64) bytes[i] << (8 * i);
  return TRUE;
}

static gboolean
push (Machine *machine, FwPickleValue *value)
{
  if (value != NULL)
    g_ptr_array_add (machine->stack, value);
  return value != NULL;
}

static FwPickleValue *
create (Machine *machine, FwPickleKind kind)
{
  return fw_pickle_new (machine->pickle, kind, machine->error);
}

/* The height that pops may not go below. */
static guint
floor_of (const Machine *machine)
{
  return machine->marks->len > 0 ? g_array_index (machine->marks, guint, machine->marks->len - 1) : 0;
}

static FwPickleValue *
top (Machine *machine)
{
  if (machine->stack->len <= floor_of (machine)) {
    damaged (machine, "it takes a value that is not there");
    return NULL;
  }
  return g_ptr_array_index (machine->stack, machine->stack->len - 1);
}

static FwPickleValue *
pop (Machine *machine)
{
  FwPickleValue *value = top (machine);
  if (value != NULL)
    g_ptr_array_set_size (machine->stack, (gint) machine->stack->len - 1);
  return value;
}

static gboolean
pop_mark (Machine *machine, guint *height)
{
  if (machine->marks->len == 0)
    return damaged (machine, "it has no mark where one is needed");
  *height = floor_of (machine);
  g_array_set_size (machine->marks, machine->marks->len - 1);
  return TRUE;
}

static gboolean
op_proto (Machine *machine)
{
  guint64 protocol;
  return take_number (machine, 1, &protocol) && (protocol <= MAX_PROTOCOL || damaged (machine, "its protocol is unknown"));
}

static gboolean
op_frame (Machine *machine)
{
  guint64 size;
  if (!take_number (machine, 8, &size))
    return FALSE;
  return size <= (guint64) (machine->end - machine->at) || damaged (machine, "a frame is longer than the file");
}

static gboolean
op_stop (Machine *machine)
{
  if (machine->stack->len != 1 || machine->marks->len != 0)
    return damaged (machine, "it does not end with one value");
  machine->result = pop (machine);
  return TRUE;
}

static gboolean
op_mark (Machine *machine)
{
  g_array_append_val (machine->marks, machine->stack->len);
  return TRUE;
}

static gboolean
op_pop (Machine *machine)
{
  return pop (machine) != NULL;
}

static gboolean
op_pop_mark (Machine *machine)
{
  guint height = 0;
  if (!pop_mark (machine, &height))
    return FALSE;
  g_ptr_array_set_size (machine->stack, (gint) height);
  return TRUE;
}

static gboolean
push_integer (Machine *machine, gint64 number)
{
  FwPickleValue *value = create (machine, FW_PICKLE_INTEGER);
  if (value != NULL)
    value->integer = number;
  return push (machine, value);
}

static gboolean op_none (Machine *machine) { return push (machine, create (machine, FW_PICKLE_PLAIN)); }
static gboolean op_true (Machine *machine) { return push_integer (machine, 1); }
static gboolean op_false (Machine *machine) { return push_integer (machine, 0); }

static gboolean
op_binint (Machine *machine)
{
  guint64 number;
  return take_number (machine, 4, &number) && push_integer (machine, (gint32) (guint32) number);
}

static gboolean
op_binint1 (Machine *machine)
{
  guint64 number;
  return take_number (machine, 1, &number) && push_integer (machine, (gint64) number);
}

static gboolean
op_binint2 (Machine *machine)
{
  guint64 number;
  return take_number (machine, 2, &number) && push_integer (machine, (gint64) number);
}

/* A two's complement number; beyond 64 bits its bytes are kept as a plain value. */
static gboolean
push_long (Machine *machine, guint64 size)
{
  const guint8 *bytes = take (machine, size);
  if (bytes == NULL)
    return FALSE;
  if (size > 8) {
    FwPickleValue *value = create (machine, FW_PICKLE_PLAIN);
    if (value != NULL) {
      value->string.text = (const char *) bytes;
      value->string.length = size;
    }
    return push (machine, value);
  }
  guint64 number = size > 0 && bytes[size - 1] & 0x80 ? G_MAXUINT64 : 0;
  for (guint64 i = size; i-- > 0;)
    number = number << 8 | bytes[i];
  return push_integer (machine, (gint64) number);
}

static gboolean
op_long1 (Machine *machine)
{
  guint64 size;
  return take_number (machine, 1, &size) && push_long (machine, size);
}

static gboolean
op_long4 (Machine *machine)
{
  guint64 size;
  return take_number (machine, 4, &size) && push_long (machine, size);
}

static gboolean
op_binfloat (Machine *machine)
{
  return take (machine, 8) != NULL && op_none (machine);
}

/* UTF-8 that may hold NUL, which byte strings written at protocol 2 do. */
static gboolean
is_text (const char *text, gsize length)
{
  while (length > 0) {
    const char *end;
    if (g_utf8_validate_len (text, length, &end))
      return TRUE;
    if (*end != '\0')
      return FALSE;
    length -= (gsize) (end + 1 - text);
    text = end + 1;
  }
  return TRUE;
}

/* @kind STRING refuses what is not UTF-8; PLAIN skips the bytes. */
static gboolean
push_bytes (Machine *machine, gsize size_bytes, FwPickleKind kind)
{
  guint64 size;
  const guint8 *bytes = take_number (machine, size_bytes, &size) ? take (machine, size) : NULL;
  if (bytes == NULL)
    return FALSE;
  if (kind == FW_PICKLE_STRING && !is_text ((const char *) bytes, size))
    return damaged (machine, "a string is not UTF-8");
  FwPickleValue *value = create (machine, kind);
  if (value != NULL) {
    value->string.text = (const char *) bytes;
    value->string.length = size;
  }
  return push (machine, value);
}

static gboolean op_short_binunicode (Machine *machine) { return push_bytes (machine, 1, FW_PICKLE_STRING); }
static gboolean op_binunicode (Machine *machine) { return push_bytes (machine, 4, FW_PICKLE_STRING); }
static gboolean op_binunicode8 (Machine *machine) { return push_bytes (machine, 8, FW_PICKLE_STRING); }
static gboolean op_short_binbytes (Machine *machine) { return push_bytes (machine, 1, FW_PICKLE_PLAIN); }
static gboolean op_binbytes (Machine *machine) { return push_bytes (machine, 4, FW_PICKLE_PLAIN); }
static gboolean op_binbytes8 (Machine *machine) { return push_bytes (machine, 8, FW_PICKLE_PLAIN); }
static gboolean op_empty_list (Machine *machine) { return push (machine, create (machine, FW_PICKLE_LIST)); }
static gboolean op_empty_tuple (Machine *machine) { return push (machine, create (machine, FW_PICKLE_TUPLE)); }
static gboolean op_empty_dict (Machine *machine) { return push (machine, create (machine, FW_PICKLE_DICT)); }

/* Replaces the values from @height upwards by a tuple of them. */
static gboolean
push_tuple (Machine *machine, guint height)
{
  FwPickleValue *tuple = create (machine, FW_PICKLE_TUPLE);
  if (tuple == NULL)
    return FALSE;
  for (guint i = height; i < machine->stack->len; i++)
    fw_pickle_append (tuple, g_ptr_array_index (machine->stack, i));
  g_ptr_array_set_size (machine->stack, (gint) height);
  return push (machine, tuple);
}

static gboolean
op_tuple (Machine *machine)
{
  guint height = 0;
  return pop_mark (machine, &height) && push_tuple (machine, height);
}

static gboolean
push_small_tuple (Machine *machine, guint count)
{
  if (machine->stack->len - floor_of (machine) < count)
    return damaged (machine, "it takes a value that is not there");
  return push_tuple (machine, machine->stack->len - count);
}

static gboolean op_tuple1 (Machine *machine) { return push_small_tuple (machine, 1); }
static gboolean op_tuple2 (Machine *machine) { return push_small_tuple (machine, 2); }
static gboolean op_tuple3 (Machine *machine) { return push_small_tuple (machine, 3); }

/* Moves the values from @height upwards into the list or dictionary below them; a foreign container swallows them. */
static gboolean
extend (Machine *machine, guint height, FwPickleKind kind)
{
  if (height == 0 || height - 1 < floor_of (machine))
    return damaged (machine, "it takes a value that is not there");
  FwPickleValue *container = g_ptr_array_index (machine->stack, height - 1);
  guint count = machine->stack->len - height;
  if (container->kind != kind && container->kind != FW_PICKLE_FOREIGN)
    return damaged (machine, "it adds items to what is no container");
  if (kind == FW_PICKLE_DICT && count % 2 != 0)
    return damaged (machine, "a dictionary has a key without a value");
  for (guint i = 0; i < count && container->kind == kind; i++) {
    FwPickleValue *item = g_ptr_array_index (machine->stack, height + i);
    if (kind == FW_PICKLE_DICT && i % 2 == 0 && (item->kind == FW_PICKLE_LIST || item->kind == FW_PICKLE_DICT))
      return damaged (machine, "a dictionary has a key that cannot be one");
    fw_pickle_append (container, item);
  }
  g_ptr_array_set_size (machine->stack, (gint) height);
  return TRUE;
}

static gboolean
op_append (Machine *machine)
{
  return top (machine) != NULL && extend (machine, machine->stack->len - 1, FW_PICKLE_LIST);
}

static gboolean
op_appends (Machine *machine)
{
  guint height = 0;
  return pop_mark (machine, &height) && extend (machine, height, FW_PICKLE_LIST);
}

static gboolean
op_setitem (Machine *machine)
{
  if (machine->stack->len - floor_of (machine) < 2)
    return damaged (machine, "it takes a value that is not there");
  return extend (machine, machine->stack->len - 2, FW_PICKLE_DICT);
}

static gboolean
op_setitems (Machine *machine)
{
  guint height = 0;
  return pop_mark (machine, &height) && extend (machine, height, FW_PICKLE_DICT);
}

/* Sets are of no use here: their items are dropped. */
static gboolean
op_additems (Machine *machine)
{
  return op_pop_mark (machine) && top (machine) != NULL;
}

static gboolean
op_frozenset (Machine *machine)
{
  return op_pop_mark (machine) && op_none (machine);
}

/* Picklers number their memo in order, so a number far beyond the count of entries is no honest one. */
static gboolean
put (Machine *machine, guint64 index)
{
  FwPickleValue *value = top (machine);
  if (value == NULL)
    return FALSE;
  if (index > 2 * (guint64) machine->memoized + 64)
    return damaged (machine, "a memo number is far too high");
  if (index >= machine->memo->len)
    g_ptr_array_set_size (machine->memo, (gint) index + 1);
  machine->memo->pdata[index] = value;
  machine->memoized++;
  return TRUE;
}

static gboolean
get (Machine *machine, gsize size)
{
  guint64 index;
  if (!take_number (machine, size, &index))
    return FALSE;
  if (index >= machine->memo->len || machine->memo->pdata[index] == NULL)
    return damaged (machine, "it recalls a value that was never stored");
  return push (machine, machine->memo->pdata[index]);
}

static gboolean
op_binput (Machine *machine)
{
  guint64 index;
  return take_number (machine, 1, &index) && put (machine, index);
}

static gboolean
op_long_binput (Machine *machine)
{
  guint64 index;
  return take_number (machine, 4, &index) && put (machine, index);
}

static gboolean op_memoize (Machine *machine) { return put (machine, machine->memoized); }
static gboolean op_binget (Machine *machine) { return get (machine, 1); }
static gboolean op_long_binget (Machine *machine) { return get (machine, 4); }

static gboolean
push_global (Machine *machine, const char *module, gsize module_length, const char *name, gsize name_length)
{
  if (module_length > MAX_GLOBAL_NAME || name_length > MAX_GLOBAL_NAME)
    return damaged (machine, "the name of a global is too long");
  FwPickleValue *value = create (machine, FW_PICKLE_GLOBAL);
  if (value == NULL)
    return FALSE;
  value->global.known = fw_pickle_find_global (module, module_length, name, name_length);
  value->global.module = module;
  value->global.module_length = (guint) module_length;
  value->global.name = name;
  value->global.name_length = (guint) name_length;
  return push (machine, value);
}

static gboolean
op_global (Machine *machine)
{
  const guint8 *module = machine->at;
  const guint8 *first = memchr (module, '\n', (gsize) (machine->end - module));
  const guint8 *second = first != NULL ? memchr (first + 1, '\n', (gsize) (machine->end - first - 1)) : NULL;
  if (second == NULL)
    return damaged (machine, "it ends too early");
  machine->at = second + 1;
  return push_global (machine, (const char *) module, (gsize) (first - module), (const char *) first + 1,
                      (gsize) (second - first - 1));
}

static gboolean
op_stack_global (Machine *machine)
{
  FwPickleValue *name = pop (machine), *module = name != NULL ? pop (machine) : NULL;
  if (module == NULL)
    return FALSE;
  if (name->kind != FW_PICKLE_STRING || module->kind != FW_PICKLE_STRING)
    return damaged (machine, "the name of a global is no text");
  return push_global (machine, module->string.text, module->string.length, name->string.text, name->string.length);
}

static gboolean
call (Machine *machine, const FwPickleValue *callable, const FwPickleValue *arguments)
{
  if (arguments->kind != FW_PICKLE_TUPLE || (callable->kind != FW_PICKLE_GLOBAL && callable->kind != FW_PICKLE_FOREIGN))
    return damaged (machine, "it calls what cannot be called");
  return push (machine, fw_pickle_call (machine->pickle, callable, arguments, machine->error));
}

static gboolean
op_reduce (Machine *machine)
{
  FwPickleValue *arguments = pop (machine), *callable = arguments != NULL ? pop (machine) : NULL;
  return callable != NULL && call (machine, callable, arguments);
}

static gboolean
op_newobj_ex (Machine *machine)
{
  return pop (machine) != NULL && op_reduce (machine);
}

/* The state of an object: of an OrderedDict it is the module versions, of a foreign one it is nothing to us. */
static gboolean
op_build (Machine *machine)
{
  FwPickleValue *object = pop (machine) != NULL ? top (machine) : NULL;
  if (object == NULL)
    return FALSE;
  return object->kind == FW_PICKLE_DICT || object->kind == FW_PICKLE_FOREIGN || object->kind == FW_PICKLE_TENSOR
         || damaged (machine, "it sets the state of what has none");
}

static gboolean
op_binpersid (Machine *machine)
{
  FwPickleValue *id = pop (machine);
  return id != NULL && push (machine, fw_pickle_persistent (machine->pickle, id, machine->error));
}

static const Opcode opcodes[256] = {
  [0x80] = op_proto, [0x95] = op_frame, ['.'] = op_stop, ['('] = op_mark, ['0'] = op_pop, ['1'] = op_pop_mark,
  ['N'] = op_none, [0x88] = op_true, [0x89] = op_false, ['J'] = op_binint, ['K'] = op_binint1, ['M'] = op_binint2,
  [0x8a] = op_long1, [0x8b] = op_long4, ['G'] = op_binfloat,
  ['X'] = op_binunicode, [0x8c] = op_short_binunicode, [0x8d] = op_binunicode8,
  ['U'] = op_short_binunicode, ['T'] = op_binunicode, /* byte strings of Python 2, which are its text */
  ['C'] = op_short_binbytes, ['B'] = op_binbytes, [0x8e] = op_binbytes8, [0x96] = op_binbytes8,
  ['}'] = op_empty_dict, [']'] = op_empty_list, [')'] = op_empty_tuple, [0x8f] = op_none,
  ['t'] = op_tuple, [0x85] = op_tuple1, [0x86] = op_tuple2, [0x87] = op_tuple3,
  ['a'] = op_append, ['e'] = op_appends, ['s'] = op_setitem, ['u'] = op_setitems, [0x90] = op_additems, [0x91] = op_frozenset,
  [0x94] = op_memoize, ['q'] = op_binput, ['r'] = op_long_binput, ['h'] = op_binget, ['j'] = op_long_binget,
  ['c'] = op_global, [0x93] = op_stack_global, ['R'] = op_reduce, [0x81] = op_reduce, [0x92] = op_newobj_ex,
  ['b'] = op_build, ['Q'] = op_binpersid,
};

static gboolean
step (Machine *machine)
{
  const guint8 *code = take (machine, 1);
  if (code == NULL)
    return FALSE;
  if (opcodes[*code] == NULL)
    return fw_checkpoint_refuse (machine->pickle->path, machine->error,
                                 "its pickle uses the operation 0x%02x, which no checkpoint needs", *code);
  return opcodes[*code] (machine);
}

FwPickleValue *
fw_pickle_load (FwPickle *pickle, const guint8 *data, gsize size, gsize *used, GError **error)
{
  Machine machine = { .pickle = pickle, .start = data, .at = data, .end = data + size, .error = error };
  machine.stack = g_ptr_array_new ();
  machine.memo = g_ptr_array_new ();
  machine.marks = g_array_new (FALSE, FALSE, sizeof (guint));
  while (machine.result == NULL && step (&machine))
    continue;
  g_array_unref (machine.marks);
  g_ptr_array_unref (machine.memo);
  g_ptr_array_unref (machine.stack);
  if (used != NULL)
    *used = (gsize) (machine.at - data);
  return machine.result;
}
