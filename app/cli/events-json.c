/* SPDX-License-Identifier: Apache-2.0
 * Progress for programs: one JSON object an event, one a line, on stdout. */
#include "app/cli/progress.h"
#include "engine/checkpoint/json-text.h"

#include <math.h>
#include <stdio.h>

static JsonObject *
event_new (const char *name)
{
  JsonObject *object = json_object_new ();
  json_object_set_string_member (object, "event", name);
  return object;
}

static void
set_number (JsonObject *object, const char *name, double value)
{
  if (isfinite (value))
    json_object_set_double_member (object, name, value);
  else
    json_object_set_null_member (object, name);
}

static void
print_event (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (node, object);
  g_autofree char *line = fw_json_text_print (node, FALSE);
  fprintf (stdout, "%s\n", line);
  fflush (stdout);
}

static void
set_state (JsonObject *object, const FwProgressState *state)
{
  if (state->phase != NULL)
    json_object_set_string_member (object, "phase", state->phase);
  if (state->steps > 0) {
    json_object_set_int_member (object, "step", state->step);
    json_object_set_int_member (object, "steps", state->steps);
  }
  set_number (object, "fraction", state->fraction);
  set_number (object, "eta_s", state->remaining >= 0 ? state->remaining : NAN);
  json_object_set_int_member (object, "peak_bytes", state->peak_bytes);
  if (state->forecast_bytes > 0)
    json_object_set_int_member (object, "forecast_bytes", state->forecast_bytes);
}

static void
json_state (const FwProgressState *state)
{
  JsonObject *object = event_new ("progress");
  set_state (object, state);
  print_event (object);
}

static void
json_figure (gint64 step, const char *name, double value)
{
  JsonObject *object = event_new ("figure");
  json_object_set_int_member (object, "step", step);
  json_object_set_string_member (object, "name", name);
  set_number (object, "value", value);
  print_event (object);
}

static void
json_message (const char *sentence)
{
  JsonObject *object = event_new ("message");
  json_object_set_string_member (object, "text", sentence);
  print_event (object);
}

static void
json_result (const FwJobResult *result)
{
  JsonObject *object = event_new ("result");
  JsonObject *value = json_object_new ();
  g_autofree char *path = g_utf8_make_valid (result->path, -1);
  json_object_set_string_member (value, "path", path);
  json_object_set_int_member (value, "seed", result->seed);
  json_object_set_int_member (value, "frames", result->frames);
  json_object_set_int_member (value, "width", result->width);
  json_object_set_int_member (value, "height", result->height);
  if (result->recipe != NULL) {
    g_autoptr (JsonNode) recipe = json_from_string (result->recipe, NULL);
    if (recipe != NULL)
      json_object_set_member (value, "recipe", g_steal_pointer (&recipe));
  }
  json_object_set_object_member (object, "result", value);
  print_event (object);
}

static void
json_end (const FwProgressState *state, const GError *error)
{
  JsonObject *object = event_new (error == NULL ? "done" : "stopped");
  set_state (object, state);
  if (error != NULL)
    json_object_set_string_member (object, "error", error->message);
  print_event (object);
}

const FwProgressView fw_progress_json = { json_state, json_figure, json_message, json_result, json_end, 1, 0, FALSE };
