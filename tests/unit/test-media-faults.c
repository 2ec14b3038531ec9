/* SPDX-License-Identifier: Apache-2.0
 * What goes wrong with clips: refused numbers, a full disk, a media process that is killed, hangs or is cancelled, missing
 * encoders, hostile files. Each must be one sentence, in time, and leave nothing behind. */
#include "engine/media/encoder-private.h"
#include "engine/memory/file.h"
#include "tests/unit/media-clip.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The only child of this process, from /proc. */
static pid_t
find_child (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
  for (const char *name; (name = g_dir_read_name (dir)) != NULL;) {
    g_autofree char *path = g_build_filename ("/proc", name, "stat", NULL), *text = NULL;
    if (!g_ascii_isdigit (name[0]) || !g_file_get_contents (path, &text, NULL, NULL))
      continue;
    const char *after = strrchr (text, ')');
    int parent;
    if (after != NULL && sscanf (after, ") %*c %d", &parent) == 1 && parent == getpid ())
      return g_ascii_strtoll (name, NULL, 10);
  }
  return 0;
}

static void
assert_nothing_left (const Folder *folder)
{
  g_autofree char *names = folder_list (folder->path);
  g_assert_cmpstr (names, ==, "");
  g_assert_cmpint (waitpid (-1, NULL, WNOHANG), ==, -1);
  g_assert_cmpint (errno, ==, ECHILD);
}

static void
test_numbers (Folder *folder, gconstpointer data)
{
  static const struct { const char *name; int width, height, fps_n, fps_d, frames, quality; const char *says; } rows[] = {
    { "a.mp4", 0, 128, 8, 1, 0, 0, "0x128" },
    { "a.mp4", 128, -2, 8, 1, 0, 0, "128x-2" },
    { "a.webm", 20000, 8, 8, 1, 0, 0, "16384" },
    { "a.mp4", G_MAXINT, G_MAXINT, 8, 1, 0, 0, "16384" },
    { "a.mp4", 321, 240, 8, 1, 0, 0, "320x240" },
    { "a.mp4", 320, 241, 8, 1, 0, 0, "320x240" },
    { "a.mp4", 128, 128, 0, 1, 0, 0, "0/1" },
    { "a.mp4", 128, 128, 8, 0, 0, 0, "8/0" },
    { "a.mp4", 128, 128, -8, -1, 0, 0, "-8/-1" },
    { "a.mp4", 128, 128, 5000, 1, 0, 0, "5000/1" },
    { "a.mp4", 128, 128, 8, 1, 0, 101, "101" },
    { "a.mp4", 128, 128, 8, 1, 0, -1, "-1" },
    { "a.png", 128, 128, 8, 1, 16, 0, "one frame" },
    { "a.avi", 128, 128, 8, 1, 0, 0, ".mp4" },
    { "", 128, 128, 8, 1, 0, 0, "name" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *path = rows[i].name[0] != '\0' ? in_folder (folder, rows[i].name) : g_strdup ("");
    FwEncodeSpec spec = { .path = path, .width = rows[i].width, .height = rows[i].height, .fps_n = rows[i].fps_n,
                          .fps_d = rows[i].fps_d, .frames = rows[i].frames, .quality = rows[i].quality };
    g_assert_false (fw_encoder_check (&spec, NULL, NULL, NULL, &error));
    assert_message (error, rows[i].says);
    g_assert_cmpint (error->code, ==, FW_ERROR_INVALID);
    g_assert_null (fw_encoder_open (&spec, NULL, NULL));
    assert_nothing_left (folder);
  }
}

/* /dev/full lets itself be opened and refuses every byte; a pipeline that only stops would wait for ever. */
static void
test_full_device (Folder *folder, gconstpointer data)
{
  static const FwMediaFormat formats[] = { FW_MEDIA_MP4, FW_MEDIA_WEBM, FW_MEDIA_MKV };
  for (gsize i = 0; i < G_N_ELEMENTS (formats); i++)
    for (int full = 0; full < 2; full++) {
      g_autoptr (GError) error = NULL;
      FILE *spare = tmpfile ();
      int device = open ("/dev/full", O_RDWR | O_CLOEXEC);
      g_assert_cmpint (device, >=, 0);
      FwEncodeSpec spec = small_spec ("full");
      spec.format = formats[i];
      spec.quality = 80;
      spec.stall_ms = 20000;
      FwMediaChild *child = fw_media_child_start ("write “full”", spec.stall_ms, &error);
      g_assert_no_error (error);
      gint64 start = g_get_monotonic_time ();
      gpointer writer = fw_video_writer_open_fd (&spec, child, full == 0 ? device : fileno (spare),
                                                 full == 0 ? fileno (spare) : device, NULL, &error);
      g_autofree guint8 *rgb = g_malloc (3 * 128 * 128);
      gboolean going = writer != NULL;
      for (int n = 0; going && n < 200; n++) {
        paint_noise (rgb, 128, 128, n);
        going = fw_video_writer.push (writer, rgb, 3 * 128, NULL, &error);
      }
      if (going)
        going = fw_video_writer.complete (writer, NULL, &error);
      if (full == 0 || formats[i] == FW_MEDIA_MP4) {     /* only MP4 uses the scratch file */
        g_assert_false (going);
        assert_message (error, "No space left");
        g_assert_cmpint (error->code, ==, FW_ERROR_IO);
      }
      g_assert_cmpint (g_get_monotonic_time () - start, <, 15 * G_USEC_PER_SEC);
      if (writer != NULL)
        fw_video_writer.free (writer);
      close (device);
      fclose (spare);
    }
  assert_nothing_left (folder);
}

/* A limit on the size of files is what a full disk is, from the inside. */
static void
test_full_disk (Folder *folder, gconstpointer data)
{
  static const char *const names[] = { "a.mp4", "a.webm", "a.mkv", "a.png", "a" };
  struct rlimit before, small;
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &before), ==, 0);
  small = before;
  small.rlim_cur = 20000;
  signal (SIGXFSZ, SIG_IGN);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *path = in_folder (folder, names[i]);
    FwEncodeSpec spec = small_spec (path);
    spec.comment = "{}";
    g_autoptr (FwEncoder) encoder = fw_encoder_open (&spec, NULL, &error);
    g_assert_no_error (error);
    pid_t child = find_child ();
    if (child != 0)
      g_assert_cmpint (prlimit (child, RLIMIT_FSIZE, &small, NULL), ==, 0);
    else
      g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &small), ==, 0);
    g_autofree guint8 *rgb = g_malloc (3 * 128 * 128);
    gboolean going = TRUE;
    for (int n = 0; going && n < (g_str_has_suffix (path, ".png") ? 1 : 40); n++) {
      paint_noise (rgb, 128, 128, n);
      going = fw_encoder_push (encoder, rgb, 3 * 128, NULL, &error);
    }
    if (going)
      g_assert_false (fw_encoder_finish (g_steal_pointer (&encoder), NULL, &error));
    g_clear_pointer (&encoder, fw_encoder_abort);
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &before), ==, 0);
    assert_message (error, "File too large");
    assert_nothing_left (folder);
  }
  signal (SIGXFSZ, SIG_DFL);
}

static FwEncoder *
begin_clip (const Folder *folder, guint stall_ms)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (folder, "clip.mp4");
  g_autofree guint8 *rgb = g_malloc0 (3 * 128 * 128);
  FwEncodeSpec spec = small_spec (path);
  spec.comment = "{}";
  spec.stall_ms = stall_ms;
  FwEncoder *encoder = fw_encoder_open (&spec, NULL, &error);
  g_assert_no_error (error);
  for (int n = 0; n < 5; n++)
    g_assert_true (fw_encoder_push (encoder, rgb, 3 * 128, NULL, &error));
  return encoder;
}

/* Pushes until it fails. */
static void
push_on (FwEncoder *encoder, GCancellable *cancellable, GError **error)
{
  g_autofree guint8 *rgb = g_malloc0 (3 * 128 * 128);
  for (int n = 0; n < 1000; n++)
    if (!fw_encoder_push (encoder, rgb, 3 * 128, cancellable, error))
      return;
  g_assert_not_reached ();
}

static void
test_killed (Folder *folder, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  FwEncoder *encoder = begin_clip (folder, 0);
  g_assert_cmpint (kill (find_child (), SIGKILL), ==, 0);
  push_on (encoder, NULL, &error);
  assert_message (error, "signal 9");
  fw_encoder_abort (encoder);
  assert_nothing_left (folder);
  encoder = begin_clip (folder, 0);
  g_assert_cmpint (kill (find_child (), SIGABRT), ==, 0);
  g_clear_error (&error);
  g_assert_false (fw_encoder_finish (encoder, NULL, &error));
  assert_message (error, "signal 6");
  assert_nothing_left (folder);
}

static void
test_hanging (Folder *folder, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  FwEncoder *encoder = begin_clip (folder, 700);
  g_assert_cmpint (kill (find_child (), SIGSTOP), ==, 0);
  gint64 start = g_get_monotonic_time ();
  push_on (encoder, NULL, &error);
  assert_message (error, "has not answered");
  g_assert_cmpint (g_get_monotonic_time () - start, <, 3 * G_USEC_PER_SEC);
  fw_encoder_abort (encoder);
  assert_nothing_left (folder);
}

static gpointer
cancel_soon (gpointer data)
{
  g_usleep (100000);
  g_cancellable_cancel (data);
  return NULL;
}

static void
test_cancelled (Folder *folder, gconstpointer data)
{
  for (int finishing = 0; finishing < 2; finishing++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GCancellable) cancellable = g_cancellable_new ();
    FwEncoder *encoder = begin_clip (folder, 0);
    g_assert_cmpint (kill (find_child (), SIGSTOP), ==, 0);
    GThread *thread = g_thread_new ("cancel", cancel_soon, cancellable);
    gint64 start = g_get_monotonic_time ();
    if (finishing) {
      g_assert_false (fw_encoder_finish (encoder, cancellable, &error));
    } else {
      push_on (encoder, cancellable, &error);
      fw_encoder_abort (encoder);
    }
    gint64 took = g_get_monotonic_time () - start;
    g_thread_join (thread);
    g_test_message ("%.0f ms after the cancel", took / 1e3 - 100);
    g_assert_cmpint (error->code, ==, FW_ERROR_CANCELLED);
    g_assert_cmpint (took, <, 300000);
    assert_nothing_left (folder);
  }
}

/* The engine itself is killed: the unfinished file has no name, and the media process follows. */
static void
test_engine_killed (Folder *folder, gconstpointer data)
{
  static const char *const names[] = { "clip.mp4", "clip" };
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *path = in_folder (folder, names[i]);
    FwEncodeSpec spec = small_spec (path);
    pid_t pid = fork ();
    if (pid == 0) {
      guint8 *rgb = g_malloc0 (3 * 128 * 128);
      FwEncoder *encoder = fw_encoder_open (&spec, NULL, NULL);
      for (int n = 0; n < 20; n++)
        fw_encoder_push (encoder, rgb, 3 * 128, NULL, NULL);
      kill (getpid (), SIGKILL);
    }
    int status;
    g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
    g_assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);
    g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
    g_assert_true (write_clip (&spec, 2, paint, &error));
    g_assert_no_error (error);
    g_autofree char *names_left = folder_list (folder->path);
    g_assert_cmpstr (names_left, ==, names[i]);
    folder_empty (folder->path);
  }
}

static void
test_no_program (Folder *folder, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (folder, "clip.mp4");
  FwEncodeSpec spec = small_spec (path);
  g_setenv ("FRAMEWRIGHT_MEDIA", "/nonexistent/framewright-media", TRUE);
  g_assert_false (fw_encoder_check (&spec, NULL, NULL, NULL, &error));
  assert_message (error, "/nonexistent/framewright-media");
  g_setenv ("FRAMEWRIGHT_MEDIA", "/bin/true", TRUE);
  g_clear_error (&error);
  g_assert_false (fw_encoder_check (&spec, NULL, NULL, NULL, &error));
  assert_message (error, "ended early");
  g_unsetenv ("FRAMEWRIGHT_MEDIA");
  assert_nothing_left (folder);
}

/* A GStreamer without some of its plugins: a folder of links to the others, and a registry of its own. */
static void
hide_plugins (const Folder *folder, const char *const *hidden)
{
  const char *plugins = g_getenv ("FRAMEWRIGHT_TEST_PLUGINS");
  g_autofree char *links = in_folder (folder, "plugins"), *registry = in_folder (folder, "registry.bin");
  static const char *const wanted[] = { "app", "coreelements", "gio", "isomp4", "matroska", "videoparsersbad", "vpx", "x264",
                                        "openh264" };
  folder_empty (folder->path);
  g_assert_cmpint (g_mkdir (links, 0700), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (wanted); i++) {
    if (g_strv_contains (hidden, wanted[i]))
      continue;
    g_autofree char *name = g_strdup_printf ("libgst%s.so", wanted[i]);
    g_autofree char *target = g_build_filename (plugins, name, NULL), *link = g_build_filename (links, name, NULL);
    g_assert_cmpint (symlink (target, link), ==, 0);
  }
  g_setenv ("GST_PLUGIN_SYSTEM_PATH_1_0", links, TRUE);
  g_setenv ("GST_REGISTRY_1_0", registry, TRUE);
}

static void
test_missing_encoders (Folder *folder, gconstpointer data)
{
  if (g_getenv ("FRAMEWRIGHT_TEST_PLUGINS") == NULL) {
    g_test_skip ("FRAMEWRIGHT_TEST_PLUGINS does not name GStreamer's plugin folder");
    return;
  }
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (folder, "clip.mp4"), *other = in_folder (folder, "clip.webm");
  FwEncodeSpec spec = small_spec (path);

  hide_plugins (folder, (const char *const[]) { "x264", NULL });
  g_autoptr (FwEncoder) second = fw_encoder_open (&spec, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (fw_encoder_element (second), ==, "openh264enc");
  g_assert_null (fw_encoder_notice (second));
  g_clear_pointer (&second, fw_encoder_abort);
  g_assert_true (write_clip (&spec, 16, paint, &error));
  g_assert_no_error (error);

  hide_plugins (folder, (const char *const[]) { "x264", "openh264", NULL });
  g_autoptr (FwEncoder) third = fw_encoder_open (&spec, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (fw_encoder_path (third), ==, other);
  g_assert_cmpstr (fw_encoder_element (third), ==, "vp9enc");
  g_assert_nonnull (strstr (fw_encoder_notice (third), "gstreamer1.0-plugins-ugly"));
  g_assert_null (strchr (fw_encoder_notice (third), '\n'));
  g_clear_pointer (&third, fw_encoder_abort);
  g_assert_true (write_clip (&spec, 3, paint, &error));
  g_assert_true (g_file_test (other, G_FILE_TEST_EXISTS));
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));

  hide_plugins (folder, (const char *const[]) { "x264", "openh264", "vpx", NULL });
  g_assert_false (fw_encoder_check (&spec, NULL, NULL, NULL, &error));
  assert_message (error, "gstreamer1.0-plugins-ugly");
  g_assert_cmpint (error->code, ==, FW_ERROR_UNSUPPORTED);
  g_unsetenv ("GST_PLUGIN_SYSTEM_PATH_1_0");
  g_unsetenv ("GST_REGISTRY_1_0");
}

/* A file that may be anything: it is read, or refused in one sentence, in time. Returns the frames that came out. */
static int
read_anything (const char *path, GError **error)
{
  FwDecodeLimits limits = { .max_side = 1024, .max_frames = 500, .deadline_ms = 20000 };
  g_autoptr (GError) cause = NULL;
  g_autoptr (FwMediaInfo) info = fw_media_probe (path, NULL, &cause);
  if (info == NULL)
    assert_one_line (cause);
  g_clear_error (&cause);
  g_autoptr (FwDecoder) decoder = fw_decoder_open (path, &limits, NULL, &cause);
  int frames = 0, state = -1;
  if (decoder != NULL) {
    gsize stride = 3 * fw_decoder_info (decoder)->width;
    g_autofree guint8 *rgb = g_malloc (stride * fw_decoder_info (decoder)->height);
    while ((state = fw_decoder_next (decoder, rgb, stride, NULL, NULL, &cause)) == 1)
      frames++;
  }
  if (state != 0)
    assert_one_line (cause);
  if (cause != NULL)
    g_propagate_error (error, g_steal_pointer (&cause));
  return frames;
}

static void
test_strange_files (Folder *folder, gconstpointer data)
{
  static const char playlist[] = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n";
  static const struct { const char *name, *bytes; gssize size; const char *says; } rows[] = {
    { "empty.mp4", "", 0, "empty" }, { "text.mp4", "hello", 5, "no MP4" }, { "playlist.mp4", playlist, -1, "no MP4" },
    { "head.mp4", "\0\0\0\x10" "ftypmp42\0\0\0\0", 16, "read" }, { "head.webm", "\x1a\x45\xdf\xa3", 4, "read" },
    { "head.png", "\x89PNG\r\n\x1a\n", 8, "read" }, { "svg.png", "<svg xmlns='http://www.w3.org/2000/svg'/>", -1, "no MP4" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *path = in_folder (folder, rows[i].name);
    g_assert_true (g_file_set_contents (path, rows[i].bytes, rows[i].size, NULL));
    g_assert_cmpint (read_anything (path, &error), ==, 0);
    assert_message (error, rows[i].says);
  }
  g_autofree char *fifo = in_folder (folder, "fifo.mp4"), *missing = in_folder (folder, "missing.mp4");
  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  const char *places[] = { fifo, missing, folder->path, "/dev/zero" };
  for (gsize i = 0; i < G_N_ELEMENTS (places); i++) {
    g_autoptr (GError) error = NULL;
    g_assert_cmpint (read_anything (places[i], &error), ==, 0);
    assert_message (error, places[i]);
  }
}

static void
test_damaged_files (Folder *folder, gconstpointer data)
{
  static const char *const names[] = { "clip.mp4", "clip.webm", "clip.mkv", "clip.png" };
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = in_folder (folder, names[i]), *bytes = NULL, *harmed = in_folder (folder, "harmed");
    gsize size;
    g_autoptr (GError) error = NULL;
    FwEncodeSpec spec = small_spec (path);
    write_clip (&spec, names[i][5] == 'p' ? 1 : 12, paint, &error);
    g_assert_no_error (error);
    g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
    g_assert_cmpint (read_anything (path, &error), ==, names[i][5] == 'p' ? 1 : 12);
    g_assert_no_error (error);
    for (int cut = 1; cut <= 3; cut++) {
      g_autoptr (GError) cause = NULL;
      g_assert_true (g_file_set_contents (harmed, bytes, size * cut / 4, NULL));
      g_assert_cmpint (read_anything (harmed, &cause), <=, 12);
    }
    for (int trial = 0; trial < 6; trial++) {
      g_autoptr (GError) cause = NULL;
      g_autofree char *copy = g_memdup2 (bytes, size);
      for (int flip = 0; flip < 1 << trial; flip++)
        copy[g_rand_int_range (rand, trial < 3 ? 0 : 64, size)] ^= 1 << g_rand_int_range (rand, 0, 8);
      g_assert_true (g_file_set_contents (harmed, copy, size, NULL));
      read_anything (harmed, &cause);
    }
  }
}

static void
test_limits (Folder *folder, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (folder, "clip.mp4");
  g_autofree guint8 *rgb = g_malloc (3 * 128 * 128);
  FwEncodeSpec spec = small_spec (path);
  g_assert_true (write_clip (&spec, 12, paint, &error));
  FwDecodeLimits narrow = { .max_side = 100 }, few = { .max_frames = 5 }, hurried = { .deadline_ms = 1 };
  g_assert_null (fw_decoder_open (path, &narrow, NULL, &error));
  assert_message (error, "100");
  g_clear_error (&error);
  g_autoptr (FwDecoder) decoder = fw_decoder_open (path, &few, NULL, &error);
  g_assert_no_error (error);
  for (int n = 0; n < 5; n++)
    g_assert_cmpint (fw_decoder_next (decoder, rgb, 3 * 128, NULL, NULL, &error), ==, 1);
  g_assert_cmpint (fw_decoder_next (decoder, rgb, 3 * 128, NULL, NULL, &error), ==, -1);
  assert_message (error, "more than 5 frames");
  g_clear_error (&error);
  g_assert_null (fw_decoder_open (path, &hurried, NULL, &error));
  assert_one_line (error);
}

/* Seen from outside, while it decodes: the filter is on. And from inside: what must be denied is. */
static void
test_sandbox (Folder *folder, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (folder, "clip.mp4"), *status_path = NULL, *status = NULL, *program = NULL, *said = NULL;
  FwEncodeSpec spec = small_spec (path);
  g_assert_true (write_clip (&spec, 12, paint, &error));
  FwDecoder *decoder = fw_decoder_open (path, NULL, NULL, &error);
  g_assert_no_error (error);
  status_path = g_strdup_printf ("/proc/%d/status", find_child ());
  g_assert_true (g_file_get_contents (status_path, &status, NULL, NULL));
  g_assert_nonnull (strstr (status, "NoNewPrivs:\t1"));
  if (g_getenv ("FRAMEWRIGHT_TEST_SECCOMP") == NULL) {
    g_test_skip ("FRAMEWRIGHT_TEST_SECCOMP does not say that it was built with libseccomp");
    fw_decoder_free (decoder);
    return;
  }
  g_assert_nonnull (strstr (status, "Seccomp:\t2"));
  g_autofree char *executable = g_strdup_printf ("/proc/%d/exe", find_child ());
  program = g_file_read_link (executable, &error);
  g_assert_no_error (error);
  fw_decoder_free (decoder);
  char *argv[] = { program, (char *) "--check-sandbox", NULL };
  int code;
  g_assert_true (g_spawn_sync (NULL, argv, NULL, 0, NULL, NULL, &said, NULL, &code, &error));
  g_test_message ("%s", said);
  g_assert_cmpint (code, ==, 0);
  static const char *const denied[] = { "open a file: denied", "open a network socket: denied", "fork: denied",
                                        "execute a program: denied" };
  for (gsize i = 0; i < G_N_ELEMENTS (denied); i++)
    g_assert_nonnull (strstr (said, denied[i]));
}

int
main (int argc, char **argv)
{
  static const struct { const char *name; void (*test) (Folder *, gconstpointer); } tests[] = {
    { "/media/numbers", test_numbers }, { "/media/full-device", test_full_device }, { "/media/full-disk", test_full_disk }, { "/media/killed", test_killed },
    { "/media/hanging", test_hanging }, { "/media/cancelled", test_cancelled }, { "/media/engine-killed", test_engine_killed },
    { "/media/no-program", test_no_program }, { "/media/missing-encoders", test_missing_encoders },
    { "/media/strange-files", test_strange_files }, { "/media/damaged-files", test_damaged_files },
    { "/media/limits", test_limits },
    { "/media/sandbox", test_sandbox },
  };
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].name, Folder, NULL, folder_make, tests[i].test, folder_remove);
  return g_test_run ();
}
