/* SPDX-License-Identifier: Apache-2.0
 * Little-endian numbers in a byte buffer, for the saved states of generators and samplers. The caller has checked the room. */
#pragma once
#include <glib.h>
#include <string.h>

static inline void
fw_put_u32 (guint8 **at, guint32 value)
{
  value = GUINT32_TO_LE (value);
  memcpy (*at, &value, sizeof value);
  *at += sizeof value;
}

static inline void
fw_put_u64 (guint8 **at, guint64 value)
{
  value = GUINT64_TO_LE (value);
  memcpy (*at, &value, sizeof value);
  *at += sizeof value;
}

static inline void
fw_put_float (guint8 **at, float value)
{
  guint32 bits;
  memcpy (&bits, &value, sizeof bits);
  fw_put_u32 (at, bits);
}

static inline void
fw_put_double (guint8 **at, double value)
{
  guint64 bits;
  memcpy (&bits, &value, sizeof bits);
  fw_put_u64 (at, bits);
}

static inline guint32
fw_get_u32 (const guint8 **at)
{
  guint32 value;
  memcpy (&value, *at, sizeof value);
  *at += sizeof value;
  return GUINT32_FROM_LE (value);
}

static inline guint64
fw_get_u64 (const guint8 **at)
{
  guint64 value;
  memcpy (&value, *at, sizeof value);
  *at += sizeof value;
  return GUINT64_FROM_LE (value);
}

static inline float
fw_get_float (const guint8 **at)
{
  guint32 bits = fw_get_u32 (at);
  float value;
  memcpy (&value, &bits, sizeof value);
  return value;
}

static inline double
fw_get_double (const guint8 **at)
{
  guint64 bits = fw_get_u64 (at);
  double value;
  memcpy (&value, &bits, sizeof value);
  return value;
}
