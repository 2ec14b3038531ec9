/* SPDX-License-Identifier: Apache-2.0
 * What is asked for: the request, over the recipe that is repeated, over the model's defaults; checked number by number. */
#include <math.h>
#include <string.h>

#include "engine/job/generate-private.h"
#include "engine/media/clip-recipe.h"
#include "engine/memory/file.h"
#include "engine/model/clip-limits.h"
#include "engine/text/sentencepiece-model.h"

static gboolean
refuse (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
refuse (GError **error, const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error_literal (error, FW_ERROR, FW_ERROR_INVALID, text);
  return FALSE;
}

/* Numbers that no model can take, from callers that are not the command line. */
static gboolean
check_request (const FwGenerateRequest *request, GError **error)
{
  const struct { const char *name; int value, most; } numbers[] = {
    { "frames", request->frames, FW_CLIP_MOST_FRAMES }, { "width", request->width, FW_CLIP_MOST_SIDE },
    { "height", request->height, FW_CLIP_MOST_SIDE }, { "fps", request->fps, FW_CLIP_MOST_FPS },
    { "steps", request->steps, FW_CLIP_MOST_STEPS }, { "count", request->count, FW_GENERATE_MOST_CLIPS },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (numbers[i].value < 0 || numbers[i].value > numbers[i].most)
      return refuse (error, "%d is no sensible value of “%s”: choose 1 to %d", numbers[i].value, numbers[i].name,
                     numbers[i].most);
  if (!(request->guidance <= FW_CLIP_MOST_GUIDANCE))
    return refuse (error, "The guidance must be a number from 0 to %d", FW_CLIP_MOST_GUIDANCE);
  if (request->memory < 0)
    return refuse (error, "The memory to use cannot be negative");
  if (request->output == NULL || request->output[0] == '\0')
    return refuse (error, "The clip needs an output file");
  if (request->from == NULL && (request->prompts == NULL || request->prompts[0] == NULL))
    return refuse (error, "There is no prompt");
  for (gsize i = 0; request->prompts != NULL && request->prompts[i] != NULL; i++)
    if (request->prompts[i][0] == '\0')
      return refuse (error, "A prompt is empty");
  return TRUE;
}

/* How many clips the job makes, and what seeds and noise they get. */
static gboolean
check_clips (const FwGenerateRequest *request, const FwRecipe *base, GError **error)
{
  guint64 prompts = request->prompts != NULL ? g_strv_length ((char **) request->prompts) : 1;
  guint64 clips = prompts * (guint64) MAX (request->count, 1);
  if (clips > FW_GENERATE_MOST_CLIPS)
    return refuse (error, "A job makes at most %d clips, not %" G_GUINT64_FORMAT, FW_GENERATE_MOST_CLIPS, clips);
  if (base->seed > FW_GENERATE_LAST_SEED - (gint64) clips + 1)
    return refuse (error, "The seeds of %" G_GUINT64_FORMAT " clips would go beyond %" G_GINT64_FORMAT "; choose a smaller seed",
                   clips, FW_GENERATE_LAST_SEED);
  if (strcmp (base->noise, "torch-cpu") != 0)
    return refuse (error, "This version draws torch-cpu noise only, not “%.64s”", base->noise);
  return TRUE;
}

static FwRecipe *
read_recipe (const char *path, GCancellable *cancellable, GError **error)
{
  g_autofree char *text = fw_clip_recipe (path, cancellable, error);
  FwRecipe *recipe = text != NULL ? fw_recipe_from_json (text, strlen (text), error) : NULL;
  if (text != NULL && recipe == NULL)
    g_prefix_error (error, "“%s”: ", path);
  return recipe;
}

static gint64
choose (gint64 asked, gint64 repeated, gint64 fallback)
{
  return asked > 0 ? asked : repeated > 0 ? repeated : fallback;
}

static char *
choose_text (const char *asked, const char *repeated, const char *fallback)
{
  return g_strdup (asked != NULL ? asked : repeated != NULL ? repeated : fallback);
}

static FwRecipe *
fill_base (const FwGenerateRequest *request, const FwRecipe *from, const char *model, const FwModelCard *card)
{
  static const FwRecipe nothing = { .seed = -1, .guidance = -1 };
  const FwRecipe *old = from != NULL ? from : &nothing;
  FwRecipe *base = fw_recipe_new ();
  base->version = g_strdup (FW_VERSION);
  base->model = g_strdup (model);
  base->prompt = g_strdup (old->prompt);
  base->negative = choose_text (request->negative, old->negative, NULL);
  base->sampler = choose_text (request->sampler, old->sampler, card->sampler);
  base->noise = choose_text (request->noise, old->noise, "torch-cpu");
  base->device = g_strdup ("cpu");
  base->frames = choose (request->frames, old->frames, card->frames);
  base->width = choose (request->width, old->width, card->width);
  base->height = choose (request->height, old->height, card->height);
  base->fps = choose (request->fps, old->fps, card->fps);
  base->steps = choose (request->steps, old->steps, card->steps);
  base->guidance = request->guidance >= 0 ? request->guidance : old->guidance >= 0 ? old->guidance : card->guidance;
  base->seed = request->seed >= 0 ? request->seed : old->seed;
  return base;
}

static gboolean
check_multiple (const char *what, gint64 value, gint64 multiple, gint64 most, GError **error)
{
  if (value % multiple == 0)
    return TRUE;
  gint64 below = value / multiple * multiple, above = below + multiple;
  if (below > 0 && above <= most)
    return refuse (error, "A %s of %" G_GINT64_FORMAT " does not suit this model: choose a multiple of %" G_GINT64_FORMAT
                   ", such as %" G_GINT64_FORMAT " or %" G_GINT64_FORMAT, what, value, multiple, below, above);
  return refuse (error, "A %s of %" G_GINT64_FORMAT " does not suit this model: choose a multiple of %" G_GINT64_FORMAT
                 ", such as %" G_GINT64_FORMAT, what, value, multiple, below > 0 ? below : above);
}

static gboolean
check_shape (FwGenerateJob *job, GError **error)
{
  const FwRecipe *base = job->base;
  const FwNetworkTraits *denoiser = &job->network[FW_ROLE_DENOISER]->traits, *image = &job->network[FW_ROLE_IMAGE]->traits;
  if (!check_multiple ("number of frames", base->frames, denoiser->patch[0], FW_CLIP_MOST_FRAMES, error)
      || !check_multiple ("height", base->height, (gint64) image->factor * denoiser->patch[1], FW_CLIP_MOST_SIDE, error)
      || !check_multiple ("width", base->width, (gint64) image->factor * denoiser->patch[2], FW_CLIP_MOST_SIDE, error))
    return FALSE;
  job->latent[0] = (int) base->frames;
  job->latent[1] = (int) base->height / image->factor;
  job->latent[2] = (int) base->width / image->factor;
  return TRUE;
}

/* Whether the card's networks go together. */
static gboolean
check_networks (FwGenerateJob *job, GError **error)
{
  const FwNetworkTraits *denoiser = &job->network[FW_ROLE_DENOISER]->traits, *text = &job->network[FW_ROLE_TEXT]->traits;
  const FwNetworkTraits *image = &job->network[FW_ROLE_IMAGE]->traits;
  const char *fault = NULL;
  enum { LONGEST_CAPTION = 4096 };
  job->caption_length = job->card->text_length > 0 ? job->card->text_length : denoiser->caption_length;
  if (text->features != denoiser->caption_width)
    fault = "its text network makes states of another width than its transformer reads";
  else if (image->channels != denoiser->channels)
    fault = "its VAE has latents of other channels than its transformer";
  else if (job->caption_length > LONGEST_CAPTION)
    fault = "captions of more than 4096 tokens are not supported";
  else if (job->caption_length > denoiser->caption_length)
    fault = "its captions are longer than its transformer reads";
  if (fault != NULL)
    g_set_error (error, FW_ERROR, FW_ERROR_CHECKPOINT, "The model of “%s” cannot work: %s", job->card->path, fault);
  return fault == NULL;
}

/* The vocabulary is read much later, after all files were read for their digests; what is too large for one is refused before. */
static gboolean
open_networks (FwGenerateJob *job, GError **error)
{
  for (FwNetworkRole role = 0; role < FW_N_ROLES; role++) {
    job->network[role] = fw_model_card_open (job->card, role, error);
    if (job->network[role] == NULL)
      return FALSE;
  }
  return check_networks (job, error) && fw_file_check_size (job->card->vocabulary, FW_SENTENCEPIECE_MODEL_LIMIT, error);
}

FwSampler *
fw_generate_sampler_new (const FwGenerateJob *job, const FwRecipe *recipe, GError **error)
{
  const FwNetworkTraits *denoiser = &job->network[FW_ROLE_DENOISER]->traits;
  const FwSamplerSettings settings = {
    .steps = (int) recipe->steps, .guidance = recipe->guidance, .clips = 1, .channels = denoiser->channels,
    .model_channels = denoiser->out_channels, .positions = (gint64) job->latent[0] * job->latent[1] * job->latent[2],
  };
  FwNoise noise;
  fw_noise_seed (&noise, recipe->seed > 0 ? (guint64) recipe->seed : 0);
  return fw_sampler_new (recipe->sampler, &settings, &noise, error);
}

/* "cpu" is what there is; the path and precision of a repeated recipe are kept where this machine can. */
static gboolean
open_device (FwGenerateJob *job, const FwRecipe *from, GError **error)
{
  const char *device = job->request->device != NULL ? job->request->device : "auto";
  if (strcmp (device, "auto") != 0 && strcmp (device, "cpu") != 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_UNSUPPORTED, "There is no device “%.32s” here; use auto or cpu", device);
    return FALSE;
  }
  if (from != NULL && from->cpu != NULL && g_getenv ("FRAMEWRIGHT_CPU") == NULL) {
    job->device = fw_device_new_cpu (from->cpu, 0, NULL);
    if (job->device == NULL)
      fw_job_message (job->events, "The clip was made with “%.16s”, which this processor has not; single pixels may differ",
                      from->cpu);
  }
  if (job->device == NULL && (job->device = fw_device_new_cpu (NULL, 0, error)) == NULL)
    return FALSE;
  job->base->cpu = g_strdup (job->device->path->name);
  const char *precision = job->request->precision != NULL ? job->request->precision : from != NULL ? from->precision : "auto";
  if (strcmp (precision, "auto") == 0)
    job->compute = fw_device_preferred (job->device);
  else if (strcmp (precision, "bf16") == 0 || strcmp (precision, "fp32") == 0)
    job->compute = precision[0] == 'b' ? FW_DTYPE_BF16 : FW_DTYPE_F32;
  else
    return refuse (error, "There is no precision “%.32s”; use auto, fp32 or bf16", precision);
  job->base->precision = g_strdup (job->compute == FW_DTYPE_BF16 ? "bf16" : "fp32");
  return TRUE;
}

/* The model's card, and @model, which names it wherever the recipe is repeated. */
static FwModelCard *
find_model (const FwGenerateRequest *request, const FwRecipe *from, char **model, GError **error)
{
  const char *name = request->model != NULL ? request->model : from != NULL ? from->model : FW_DEFAULT_MODEL;
  g_autoptr (GError) fault = NULL;
  *model = fw_model_reference (name);
  if (*model == NULL && request->model == NULL && from != NULL) {
    g_set_error (error, FW_ERROR, FW_ERROR_IO, "The clip was made with the model “%s”, which is not there; say --model PATH", name);
    return NULL;
  }
  FwModelCard *card = fw_model_card_find (name, &fault);
  if (card == NULL && g_error_matches (fault, FW_ERROR, FW_ERROR_INVALID))
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "%s; say --model PATH", fault->message);
  else if (card == NULL)
    g_propagate_error (error, g_steal_pointer (&fault));
  return card;
}

gboolean
fw_generate_resolve (FwGenerateJob *job, GError **error)
{
  g_autoptr (FwRecipe) from = NULL;
  if (!check_request (job->request, error)
      || (job->request->from != NULL && (from = read_recipe (job->request->from, job->cancellable, error)) == NULL))
    return FALSE;
  g_autofree char *model = NULL;
  job->card = find_model (job->request, from, &model, error);
  if (job->card == NULL)
    return FALSE;
  job->base = fill_base (job->request, from, model, job->card);
  if (!check_clips (job->request, job->base, error) || !open_networks (job, error) || !check_shape (job, error)
      || !open_device (job, from, error))
    return FALSE;
  g_autoptr (FwSampler) trial = fw_generate_sampler_new (job, job->base, error);
  if (trial == NULL)
    return FALSE;
  job->rows = fw_sampler_rows (trial);
  job->from = g_steal_pointer (&from);
  return TRUE;
}
