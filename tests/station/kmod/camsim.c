// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Pictures written to /dev/camsim-feed become the buffers of a V4L2 camera that can be unplugged.
 *
 * One camera, platform device "camsim", as a USB camera shows itself: memory-mapped buffers, GREY, YUYV and MJPG,
 * stamps on CLOCK_MONOTONIC at the start of exposure, the usual exposure controls, EBUSY for a second owner. Its size
 * and rate are parameters and are read when it is plugged in.
 *
 * Unplug with `echo camsim > /sys/bus/platform/drivers/camsim/unbind`, plug in with .../bind: open descriptors get
 * ENODEV for ever, the node vanishes and comes back (as /dev/video<node> if `node` is not -1).
 *
 * A write to /dev/camsim-feed is one exposure: a `struct feed` and the bytes as the chosen format has them. Where
 * nobody streams, or the camera is unplugged or stalled, the picture is lost and the write succeeds: light falls on a
 * sensor whether somebody looks or not. Reading the feed tells how the camera stands, one "word figure" a line.
 *
 * Faults, in /sys/module/camsim/parameters (those that end in _next count down to 0, one a picture):
 *   error_next      flagged V4L2_BUF_FLAG_ERROR
 *   short_next      half of the bytes
 *   garbage_next    the bytes inverted, and of an MJPG without head or tail
 *   gap_next        lost, with a gap in the sequence numbers
 *   stall           1: nothing comes any more until it is 0;  2: until the stream is started again
 *   streamon_errno  starting the stream fails with this errno
 */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/uaccess.h>
#include <media/v4l2-ctrls.h>
#include <media/v4l2-device.h>
#include <media/v4l2-event.h>
#include <media/v4l2-ioctl.h>
#include <media/videobuf2-v4l2.h>
#include <media/videobuf2-vmalloc.h>

#define NAME "camsim"

struct feed {
	__le64 stamp_ns;	/* start of exposure on CLOCK_MONOTONIC; 0 = now */
	__le32 flags;		/* 1 = V4L2_BUF_FLAG_ERROR */
	__le32 skipped;		/* pictures that the sensor has missed before this one */
} __packed;

static uint width = 640, height = 480, rate_hz = 60;
module_param(width, uint, 0644);
module_param(height, uint, 0644);
module_param(rate_hz, uint, 0644);
static int node = -1;
module_param(node, int, 0644);
static char formats[32] = "GREY,YUYV,MJPG";
module_param_string(formats, formats, sizeof(formats), 0644);
static uint error_next, short_next, garbage_next, gap_next, stall, streamon_errno;
module_param(error_next, uint, 0644);
module_param(short_next, uint, 0644);
module_param(garbage_next, uint, 0644);
module_param(gap_next, uint, 0644);
module_param(stall, uint, 0644);
module_param(streamon_errno, uint, 0644);

struct camsim {
	struct v4l2_device v4l2;
	struct video_device video;
	struct v4l2_ctrl_handler controls;
	struct v4l2_ctrl *auto_exposure, *exposure;	/* a cluster: they stay side by side */
	struct vb2_queue queue;
	struct mutex lock;		/* of the queue and the calls; taken before feed_lock */
	struct list_head waiting;	/* buffers to be filled */
	struct v4l2_pix_format format;
	uint rate_hz, width, height;
	u32 sequence;
	u64 filled_ns;			/* when the last buffer was handed over */
	uint filled, starved;
	bool streaming;
};

struct slot {
	struct vb2_v4l2_buffer buffer;
	struct list_head list;
};

static DEFINE_MUTEX(feed_lock);		/* guards `plugged` and what is marked in fill() */
static struct camsim *plugged;

static const struct {
	u32 code;
	const char *name;
	u32 line, whole;	/* bytes a pixel: of a line (0 = compressed), and of the largest picture */
} known[] = {
	{ V4L2_PIX_FMT_GREY, "GREY", 1, 1 },
	{ V4L2_PIX_FMT_YUYV, "YUYV", 2, 2 },
	{ V4L2_PIX_FMT_MJPEG, "MJPG", 0, 2 },
};

static bool due(uint *knob)
{
	uint left = READ_ONCE(*knob);

	if (!left)
		return false;
	WRITE_ONCE(*knob, left - 1);
	return true;
}

/* ---- the sensor: one written picture into one waiting buffer ---- */

static void spoil(u8 *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = ~bytes[i];
}

static int fill(struct camsim *cam, const struct feed *head, const char __user *from, size_t len)
{
	struct slot *slot = list_first_entry_or_null(&cam->waiting, struct slot, list);
	bool error = due(&error_next) || (le32_to_cpu(head->flags) & 1);
	u64 stamp_ns = le64_to_cpu(head->stamp_ns) ?: ktime_get_ns();
	struct vb2_buffer *vb;

	cam->sequence += le32_to_cpu(head->skipped);
	if (!slot) {
		cam->starved++;
		cam->sequence++;
		return 0;
	}
	vb = &slot->buffer.vb2_buf;
	len = min_t(size_t, len, vb2_plane_size(vb, 0));
	if (copy_from_user(vb2_plane_vaddr(vb, 0), from, len))
		return -EFAULT;
	if (due(&garbage_next))
		spoil(vb2_plane_vaddr(vb, 0), len);
	if (due(&short_next))
		len /= 2;
	list_del(&slot->list);
	vb2_set_plane_payload(vb, 0, len);
	vb->timestamp = stamp_ns;
	slot->buffer.sequence = cam->sequence++;
	slot->buffer.field = V4L2_FIELD_NONE;
	cam->filled++;
	cam->filled_ns = ktime_get_ns();
	vb2_buffer_done(vb, error ? VB2_BUF_STATE_ERROR : VB2_BUF_STATE_DONE);
	return 0;
}

static ssize_t feed_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	struct feed head;
	int ret = 0;

	if (len < sizeof(head))
		return -EINVAL;
	if (copy_from_user(&head, from, sizeof(head)))
		return -EFAULT;
	if (mutex_lock_interruptible(&feed_lock))
		return -ERESTARTSYS;
	if (plugged && plugged->streaming && !READ_ONCE(stall)) {
		if (due(&gap_next))
			plugged->sequence++;
		else
			ret = fill(plugged, &head, from + sizeof(head), len - sizeof(head));
	}
	mutex_unlock(&feed_lock);
	return ret ? ret : len;
}

static ssize_t feed_read(struct file *file, char __user *to, size_t room, loff_t *pos)
{
	char text[320];
	int len;

	mutex_lock(&feed_lock);
	if (plugged)
		len = scnprintf(text, sizeof(text),
				"plugged 1\nnode %d\nformat %.4s\nwidth %u\nheight %u\nstreaming %d\nsequence %u\n"
				"filled %u\nstarved %u\nfilled_ns %llu\n",
				plugged->video.num, (char *)&plugged->format.pixelformat, plugged->width,
				plugged->height, plugged->streaming, plugged->sequence, plugged->filled,
				plugged->starved, plugged->filled_ns);
	else
		len = scnprintf(text, sizeof(text), "plugged 0\n");
	mutex_unlock(&feed_lock);
	return simple_read_from_buffer(to, room, pos, text, len);
}

static const struct file_operations feed_operations = {
	.owner = THIS_MODULE,
	.read = feed_read,
	.write = feed_write,
	.llseek = default_llseek,
};

static struct miscdevice feed_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "camsim-feed",
	.fops = &feed_operations,
};

/* ---- the queue of buffers ---- */

static int queue_setup(struct vb2_queue *queue, uint *buffers, uint *planes, uint sizes[], struct device *devs[])
{
	struct camsim *cam = vb2_get_drv_priv(queue);

	if (*planes)
		return sizes[0] < cam->format.sizeimage ? -EINVAL : 0;
	*planes = 1;
	sizes[0] = cam->format.sizeimage;
	return 0;
}

static int buf_prepare(struct vb2_buffer *vb)
{
	struct camsim *cam = vb2_get_drv_priv(vb->vb2_queue);

	return vb2_plane_size(vb, 0) < cam->format.sizeimage ? -EINVAL : 0;
}

static void buf_queue(struct vb2_buffer *vb)
{
	struct camsim *cam = vb2_get_drv_priv(vb->vb2_queue);
	struct slot *slot = container_of(to_vb2_v4l2_buffer(vb), struct slot, buffer);

	mutex_lock(&feed_lock);
	list_add_tail(&slot->list, &cam->waiting);
	mutex_unlock(&feed_lock);
}

static void return_buffers(struct camsim *cam, enum vb2_buffer_state state)
{
	struct slot *slot, *next;

	list_for_each_entry_safe(slot, next, &cam->waiting, list) {
		list_del(&slot->list);
		vb2_buffer_done(&slot->buffer.vb2_buf, state);
	}
}

static int start_streaming(struct vb2_queue *queue, uint count)
{
	struct camsim *cam = vb2_get_drv_priv(queue);
	int error = READ_ONCE(streamon_errno);

	mutex_lock(&feed_lock);
	if (error) {
		return_buffers(cam, VB2_BUF_STATE_QUEUED);
	} else {
		cam->sequence = 0;
		cam->streaming = true;
		if (stall == 2)
			stall = 0;
	}
	mutex_unlock(&feed_lock);
	return -error;
}

static void stop_streaming(struct vb2_queue *queue)
{
	struct camsim *cam = vb2_get_drv_priv(queue);

	mutex_lock(&feed_lock);
	cam->streaming = false;
	return_buffers(cam, VB2_BUF_STATE_ERROR);
	mutex_unlock(&feed_lock);
}

static const struct vb2_ops queue_operations = {
	.queue_setup = queue_setup,
	.buf_prepare = buf_prepare,
	.buf_queue = buf_queue,
	.start_streaming = start_streaming,
	.stop_streaming = stop_streaming,
	.wait_prepare = vb2_ops_wait_prepare,
	.wait_finish = vb2_ops_wait_finish,
};

/* ---- what a program may ask ---- */

static int querycap(struct file *file, void *priv, struct v4l2_capability *cap)
{
	strscpy(cap->driver, NAME, sizeof(cap->driver));
	strscpy(cap->card, "Bench camera", sizeof(cap->card));
	strscpy(cap->bus_info, "platform:" NAME, sizeof(cap->bus_info));
	return 0;
}

/* The n-th of the formats that `formats` offers; -1 after the last. */
static int offered(uint n)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (strstr(formats, known[i].name) && !n--)
			return i;
	return -1;
}

static int enum_fmt(struct file *file, void *priv, struct v4l2_fmtdesc *desc)
{
	int i = offered(desc->index);

	if (i < 0)
		return -EINVAL;
	desc->pixelformat = known[i].code;
	return 0;
}

static void choose(struct camsim *cam, struct v4l2_pix_format *pix)
{
	int i, n, use = max(0, offered(0));

	for (n = 0; (i = offered(n)) >= 0; n++)
		if (known[i].code == pix->pixelformat)
			use = i;
	*pix = (struct v4l2_pix_format){
		.pixelformat = known[use].code,
		.width = cam->width,
		.height = cam->height,
		.field = V4L2_FIELD_NONE,
		.bytesperline = cam->width * known[use].line,
		.sizeimage = cam->width * cam->height * known[use].whole,
		.colorspace = V4L2_COLORSPACE_SRGB,
	};
}

static int try_fmt(struct file *file, void *priv, struct v4l2_format *format)
{
	choose(video_drvdata(file), &format->fmt.pix);
	return 0;
}

static int g_fmt(struct file *file, void *priv, struct v4l2_format *format)
{
	struct camsim *cam = video_drvdata(file);

	format->fmt.pix = cam->format;
	return 0;
}

static int s_fmt(struct file *file, void *priv, struct v4l2_format *format)
{
	struct camsim *cam = video_drvdata(file);

	if (vb2_is_busy(&cam->queue))
		return -EBUSY;
	choose(cam, &format->fmt.pix);
	cam->format = format->fmt.pix;
	return 0;
}

static int parm(struct file *file, void *priv, struct v4l2_streamparm *parm)
{
	struct camsim *cam = video_drvdata(file);

	if (parm->type != V4L2_BUF_TYPE_VIDEO_CAPTURE)
		return -EINVAL;
	parm->parm.capture = (struct v4l2_captureparm){
		.capability = V4L2_CAP_TIMEPERFRAME,
		.timeperframe = { 1, cam->rate_hz },
		.readbuffers = 2,
	};
	return 0;
}

static bool is_known(u32 code)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].code == code)
			return true;
	return false;
}

static int enum_framesizes(struct file *file, void *priv, struct v4l2_frmsizeenum *size)
{
	struct camsim *cam = video_drvdata(file);

	if (size->index || !is_known(size->pixel_format))
		return -EINVAL;
	size->type = V4L2_FRMSIZE_TYPE_DISCRETE;
	size->discrete.width = cam->width;
	size->discrete.height = cam->height;
	return 0;
}

static int enum_frameintervals(struct file *file, void *priv, struct v4l2_frmivalenum *interval)
{
	struct camsim *cam = video_drvdata(file);

	if (interval->index || !is_known(interval->pixel_format) || interval->width != cam->width ||
	    interval->height != cam->height)
		return -EINVAL;
	interval->type = V4L2_FRMIVAL_TYPE_DISCRETE;
	interval->discrete = (struct v4l2_fract){ 1, cam->rate_hz };
	return 0;
}

static int enum_input(struct file *file, void *priv, struct v4l2_input *input)
{
	if (input->index)
		return -EINVAL;
	input->type = V4L2_INPUT_TYPE_CAMERA;
	strscpy(input->name, "Sensor", sizeof(input->name));
	return 0;
}

static int g_input(struct file *file, void *priv, uint *input)
{
	*input = 0;
	return 0;
}

static int s_input(struct file *file, void *priv, uint input)
{
	return input ? -EINVAL : 0;
}

static const struct v4l2_ioctl_ops call_operations = {
	.vidioc_querycap = querycap,
	.vidioc_enum_fmt_vid_cap = enum_fmt,
	.vidioc_try_fmt_vid_cap = try_fmt,
	.vidioc_g_fmt_vid_cap = g_fmt,
	.vidioc_s_fmt_vid_cap = s_fmt,
	.vidioc_g_parm = parm,
	.vidioc_s_parm = parm,
	.vidioc_enum_framesizes = enum_framesizes,
	.vidioc_enum_frameintervals = enum_frameintervals,
	.vidioc_enum_input = enum_input,
	.vidioc_g_input = g_input,
	.vidioc_s_input = s_input,
	.vidioc_reqbufs = vb2_ioctl_reqbufs,
	.vidioc_create_bufs = vb2_ioctl_create_bufs,
	.vidioc_querybuf = vb2_ioctl_querybuf,
	.vidioc_qbuf = vb2_ioctl_qbuf,
	.vidioc_dqbuf = vb2_ioctl_dqbuf,
	.vidioc_prepare_buf = vb2_ioctl_prepare_buf,
	.vidioc_expbuf = vb2_ioctl_expbuf,
	.vidioc_streamon = vb2_ioctl_streamon,
	.vidioc_streamoff = vb2_ioctl_streamoff,
	.vidioc_log_status = v4l2_ctrl_log_status,
	.vidioc_subscribe_event = v4l2_ctrl_subscribe_event,
	.vidioc_unsubscribe_event = v4l2_event_unsubscribe,
};

static const struct v4l2_file_operations file_operations = {
	.owner = THIS_MODULE,
	.open = v4l2_fh_open,
	.release = vb2_fop_release,
	.poll = vb2_fop_poll,
	.mmap = vb2_fop_mmap,
	.read = vb2_fop_read,
	.unlocked_ioctl = video_ioctl2,
};

/* ---- plugging in and out ---- */

static int s_ctrl(struct v4l2_ctrl *ctrl)
{
	return 0;	/* the sensor is somebody else's picture; the framework keeps the value */
}

static const struct v4l2_ctrl_ops control_operations = { .s_ctrl = s_ctrl };

static int add_controls(struct camsim *cam)
{
	struct v4l2_ctrl_handler *all = &cam->controls;
	const struct v4l2_ctrl_ops *ops = &control_operations;

	v4l2_ctrl_handler_init(all, 5);
	cam->auto_exposure = v4l2_ctrl_new_std_menu(all, ops, V4L2_CID_EXPOSURE_AUTO, V4L2_EXPOSURE_APERTURE_PRIORITY,
						    0x5, V4L2_EXPOSURE_APERTURE_PRIORITY);
	cam->exposure = v4l2_ctrl_new_std(all, ops, V4L2_CID_EXPOSURE_ABSOLUTE, 1, 5000, 1, 157);
	v4l2_ctrl_new_std(all, ops, V4L2_CID_GAIN, 0, 255, 1, 64);
	v4l2_ctrl_new_std(all, ops, V4L2_CID_AUTO_WHITE_BALANCE, 0, 1, 1, 1);
	v4l2_ctrl_new_std_menu(all, ops, V4L2_CID_POWER_LINE_FREQUENCY, V4L2_CID_POWER_LINE_FREQUENCY_60HZ, 0,
			       V4L2_CID_POWER_LINE_FREQUENCY_50HZ);
	if (!all->error)
		v4l2_ctrl_auto_cluster(2, &cam->auto_exposure, V4L2_EXPOSURE_MANUAL, false);
	cam->v4l2.ctrl_handler = all;
	return all->error;
}

/* The last one that held the camera, driver or open descriptor, has let go. */
static void camera_free(struct v4l2_device *v4l2)
{
	struct camsim *cam = container_of(v4l2, struct camsim, v4l2);

	v4l2_ctrl_handler_free(&cam->controls);
	v4l2_device_unregister(v4l2);
	mutex_destroy(&cam->lock);
	kfree(cam);
}

static int add_queue(struct camsim *cam, struct device *dev)
{
	cam->queue = (struct vb2_queue){
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.io_modes = VB2_MMAP | VB2_DMABUF | VB2_READ,
		.dev = dev,
		.lock = &cam->lock,
		.ops = &queue_operations,
		.mem_ops = &vb2_vmalloc_memops,
		.drv_priv = cam,
		.buf_struct_size = sizeof(struct slot),
		.timestamp_flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | V4L2_BUF_FLAG_TSTAMP_SRC_SOE,
		.min_buffers_needed = 1,
	};
	return vb2_queue_init(&cam->queue);
}

static int add_video(struct camsim *cam)
{
	struct video_device *video = &cam->video;

	strscpy(video->name, NAME, sizeof(video->name));
	video->release = video_device_release_empty;	/* it lives in `cam` */
	video->fops = &file_operations;
	video->ioctl_ops = &call_operations;
	video->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING | V4L2_CAP_READWRITE;
	video->v4l2_dev = &cam->v4l2;
	video->queue = &cam->queue;
	video->lock = &cam->lock;
	video_set_drvdata(video, cam);
	return video_register_device(video, VFL_TYPE_VIDEO, READ_ONCE(node));
}

static int camsim_probe(struct platform_device *pdev)
{
	struct camsim *cam = kzalloc(sizeof(*cam), GFP_KERNEL);
	int ret;

	if (!cam)
		return -ENOMEM;
	cam->width = clamp(width, 16U, 4096U);
	cam->height = clamp(height, 16U, 4096U);
	cam->rate_hz = clamp(rate_hz, 1U, 1000U);
	mutex_init(&cam->lock);
	INIT_LIST_HEAD(&cam->waiting);
	choose(cam, &cam->format);
	ret = v4l2_device_register(&pdev->dev, &cam->v4l2);
	if (ret) {
		kfree(cam);
		return ret;
	}
	cam->v4l2.release = camera_free;
	ret = add_controls(cam) ?: add_queue(cam, &pdev->dev) ?: add_video(cam);
	if (ret) {
		v4l2_device_put(&cam->v4l2);
		return ret;
	}
	platform_set_drvdata(pdev, cam);
	mutex_lock(&feed_lock);
	plugged = cam;
	mutex_unlock(&feed_lock);
	return 0;
}

static int camsim_remove(struct platform_device *pdev)
{
	struct camsim *cam = platform_get_drvdata(pdev);

	mutex_lock(&feed_lock);
	plugged = NULL;
	mutex_unlock(&feed_lock);
	v4l2_device_disconnect(&cam->v4l2);
	vb2_video_unregister_device(&cam->video);
	v4l2_device_put(&cam->v4l2);
	return 0;
}

static struct platform_driver camera_driver = {
	.probe = camsim_probe,
	.remove = camsim_remove,
	.driver = { .name = NAME },
};

static struct platform_device *camera_device;

static int __init camsim_init(void)
{
	int ret = platform_driver_register(&camera_driver);

	if (ret)
		return ret;
	camera_device = platform_device_register_simple(NAME, PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(camera_device)) {
		ret = PTR_ERR(camera_device);
		goto remove_driver;
	}
	ret = misc_register(&feed_device);
	if (!ret)
		return 0;
	platform_device_unregister(camera_device);
remove_driver:
	platform_driver_unregister(&camera_driver);
	return ret;
}

static void __exit camsim_exit(void)
{
	misc_deregister(&feed_device);
	platform_device_unregister(camera_device);
	platform_driver_unregister(&camera_driver);
}

module_init(camsim_init);
module_exit(camsim_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("V4L2 camera that is fed by hand, unplugged by hand, and fails on demand");
