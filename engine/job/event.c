/* SPDX-License-Identifier: Apache-2.0
 * The jobs' side of FwJobEvents: calls what a listener has filled in. */
#include "engine/job/event.h"

void
fw_job_plan (const FwJobEvents *events, const FwJobPhase *phases, guint count)
{
  if (events != NULL && events->plan != NULL)
    events->plan (events->user, phases, count);
}

void
fw_job_phase (const FwJobEvents *events, guint index)
{
  if (events != NULL && events->phase != NULL)
    events->phase (events->user, index);
}

void
fw_job_work (const FwJobEvents *events, double done)
{
  if (events != NULL && events->work != NULL)
    events->work (events->user, done);
}

void
fw_job_step (const FwJobEvents *events, guint step, guint steps)
{
  if (events != NULL && events->step != NULL)
    events->step (events->user, step, steps);
}

void
fw_job_memory (const FwJobEvents *events, gint64 forecast_bytes, gint64 peak_bytes)
{
  if (events != NULL && events->memory != NULL)
    events->memory (events->user, forecast_bytes, peak_bytes);
}

void
fw_job_figure (const FwJobEvents *events, gint64 step, const char *name, double value)
{
  if (events != NULL && events->figure != NULL)
    events->figure (events->user, step, name, value);
}

void
fw_job_message (const FwJobEvents *events, const char *format, ...)
{
  if (events == NULL || events->message == NULL)
    return;
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *sentence = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  events->message (events->user, sentence);
}

void
fw_job_result (const FwJobEvents *events, const FwJobResult *result)
{
  if (events != NULL && events->result != NULL)
    events->result (events->user, result);
}
