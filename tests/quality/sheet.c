/* SPDX-License-Identifier: Apache-2.0
 * The contact sheet: rows of clips, each a bar and a few stills, in one PNG. */
#include "tests/quality/report.h"

#include <string.h>

#include "engine/media/png.h"
#include "engine/memory/file.h"

enum { CLIPS_A_ROW = 4, BAR = 6, GAP = 6 };

static const guint8 green[] = { 40, 170, 60 }, red[] = { 210, 40, 40 };

typedef struct {
  int width, height;
  guint8 *rgb;
} Sheet;

/* Copies @width x @height pixels to (x, y); where @stride is 0 the first pixel fills the area. */
static void
paste (Sheet *sheet, int x, int y, const guint8 *rgb, int width, int height, gsize stride)
{
  for (int row = 0; row < height; row++) {
    guint8 *to = sheet->rgb + 3 * ((gsize) (y + row) * (gsize) sheet->width + (gsize) x);
    if (stride > 0)
      memcpy (to, rgb + (gsize) row * stride, 3 * (gsize) width);
    else
      for (int i = 0; i < width; i++)
        memcpy (to + 3 * i, rgb, 3);
  }
}

gboolean
report_write_sheet (const char *path, const GPtrArray *clips, GError **error)
{
  int width = 16, height = 16;
  for (guint i = 0; i < clips->len; i++) {
    const ReportClip *clip = clips->pdata[i];
    width = MAX (width, clip->stills != NULL ? clip->width : 0);
    height = MAX (height, clip->stills != NULL ? clip->height : 0);
  }
  int cell_width = BAR + REPORT_STILLS * width + GAP, cell_height = height + GAP;
  int rows = ((int) clips->len + CLIPS_A_ROW - 1) / CLIPS_A_ROW;
  Sheet sheet = { .width = CLIPS_A_ROW * cell_width, .height = MAX (rows, 1) * cell_height };
  g_autofree guint8 *pixels = g_malloc (3 * (gsize) sheet.width * (gsize) sheet.height);
  sheet.rgb = memset (pixels, 255, 3 * (gsize) sheet.width * (gsize) sheet.height);
  for (guint i = 0; i < clips->len; i++) {
    const ReportClip *clip = clips->pdata[i];
    int x = (int) (i % CLIPS_A_ROW) * cell_width, y = (int) (i / CLIPS_A_ROW) * cell_height;
    paste (&sheet, x, y, clip->verdict.passed ? green : red, BAR, height, 0);
    gsize row = 3 * (gsize) clip->width;
    for (int still = 0; clip->stills != NULL && still < REPORT_STILLS; still++)
      paste (&sheet, x + BAR + still * width, y, clip->stills + (gsize) still * row * (gsize) clip->height, clip->width,
             clip->height, row);
  }
  g_autoptr (GBytes) png = fw_png_encode (sheet.rgb, sheet.width, sheet.height, 3 * (gsize) sheet.width, NULL, error);
  if (png == NULL)
    return FALSE;
  gsize size;
  const void *bytes = g_bytes_get_data (png, &size);
  return fw_file_write (path, bytes, size, error);
}
