/*
 * An image sensor for libcamera's "virtual" pipeline handler, and the memory that its pictures go to: preloaded
 * (LD_PRELOAD) into a process that uses libcamera, which stays as Debian ships it.
 *
 * - /dev/udmabuf and /dev/dma_heap, which many a kernel lacks, are answered with memfds: memory that can be shared and
 *   mapped like theirs.
 * - The test pattern's conversion (libyuv's ARGBToNV12) is where a frame is made: it waits until the sensor's next frame
 *   is due, then copies one of SENSOR_FRAMES (raw luma, one after the other), with the frame's number in the first four
 *   bytes. Nothing waits in Python: this runs on libcamera's own thread.
 * - libcamera 0.4.0 leaves the status of such a frame unset, so that it is whatever was in memory (mended later); it is
 *   set here, on the way through `PipelineHandler::completeBuffer`.
 * - SENSOR_KNOB is a file of one byte: 'o' as it should be, 'b' every frame is broken, 'h' the sensor hangs.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LIBCAMERA "libcamera.so.0.4"
#define START_S 0.2 /* picamera2 loses requests that are done before its start() has returned: no real sensor is so fast */

static const uint8_t *frames;
static size_t frames_size;
static volatile const char *knob;
static double period_s = 1.0 / 120.0;

__attribute__((constructor)) static void prepare(void)
{
	struct stat st;
	const char *name = getenv("SENSOR_FRAMES"), *turn = getenv("SENSOR_KNOB"), *hz = getenv("SENSOR_HZ");
	int fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;

	if (fd >= 0 && !fstat(fd, &st)) {
		frames_size = st.st_size;
		frames = mmap(NULL, frames_size, PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
	}
	fd = turn ? open(turn, O_RDONLY | O_CLOEXEC) : -1;
	if (fd >= 0) {
		knob = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (hz)
		period_s = 1.0 / atof(hz);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void sleep_s(double wait_s)
{
	struct timespec t = { .tv_sec = (time_t)wait_s };

	t.tv_nsec = (long)(1e9 * (wait_s - t.tv_sec));
	nanosleep(&t, NULL);
}

int ARGBToNV12(const uint8_t *argb, int argb_stride, uint8_t *y, int y_stride, uint8_t *uv, int uv_stride, int width,
	       int height)
{
	static uint32_t number;
	static double due_s;
	size_t size = (size_t)width * height;
	const uint8_t *frame;

	(void)argb, (void)argb_stride, (void)uv, (void)uv_stride;
	if (now_s() - due_s > START_S) /* not asked for a while: it has just been switched on */
		due_s = now_s() + START_S;
	while (due_s < now_s()) { /* nobody had given it a buffer: those frames are missing */
		due_s += period_s;
		number++;
	}
	while (due_s > now_s())
		sleep_s(due_s - now_s());
	while (knob && *knob == 'h')
		sleep_s(0.01);
	if (!frames || frames_size < size)
		return -1;
	frame = frames + size * (number % (frames_size / size));
	for (int row = 0; row < height; row++)
		memcpy(y + (size_t)row * y_stride, frame + (size_t)row * width, width);
	memcpy(y, &number, sizeof(number));
	return 0;
}

/* A frame's metadata begins with its status: 0 success, 1 error. The names are libcamera's, as C++ spells them. */
int _ZN9libcamera15PipelineHandler14completeBufferEPNS_7RequestEPNS_11FrameBufferE(void *self, void *request,
										     void *buffer)
{
	static int (*real)(void *, void *, void *);
	static unsigned int *(*metadata)(const void *);

	if (!real) { /* Python loads libcamera for itself only, so that "the next one" does not find it */
		void *library = dlopen(LIBCAMERA, RTLD_LAZY | RTLD_NOLOAD);

		metadata = dlsym(library, "_ZNK9libcamera11FrameBuffer8metadataEv");
		real = dlsym(library,
			     "_ZN9libcamera15PipelineHandler14completeBufferEPNS_7RequestEPNS_11FrameBufferE");
	}
	*metadata(buffer) = knob && *knob == 'b';
	return real(self, request, buffer);
}

static int stood_in(const char *path)
{
	if (!strcmp(path, "/dev/udmabuf") || !strncmp(path, "/dev/dma_heap/", 14))
		return memfd_create("stand-in", MFD_CLOEXEC);
	return -1;
}

#define OPENS(name)                                                             \
	int name(const char *path, int flags, ...)                              \
	{                                                                       \
		int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name);  \
		int fd = stood_in(path);                                        \
		va_list more;                                                   \
		int mode;                                                       \
		va_start(more, flags);                                          \
		mode = va_arg(more, int);                                       \
		va_end(more);                                                   \
		return fd >= 0 ? fd : real(path, flags, mode);                  \
	}
OPENS(open)
OPENS(open64)

int ioctl(int fd, unsigned long request, ...)
{
	int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
	va_list more;
	void *argument;

	va_start(more, request);
	argument = va_arg(more, void *);
	va_end(more);
	if (request == DMA_HEAP_IOCTL_ALLOC) {
		struct dma_heap_allocation_data *wanted = argument;
		int memory = memfd_create("stand-in", MFD_CLOEXEC);

		wanted->fd = memory;
		return memory < 0 ? -1 : ftruncate(memory, (off_t)wanted->len);
	}
	if (request == UDMABUF_CREATE)
		return fcntl(((struct udmabuf_create *)argument)->memfd, F_DUPFD_CLOEXEC, 0);
	if (_IOC_TYPE(request) == 'b') /* dma-buf: begin or end of access, name */
		return 0;
	return real(fd, request, argument);
}
