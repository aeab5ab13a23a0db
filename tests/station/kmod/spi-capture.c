// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What a program writes to /dev/spidev0.0 becomes records in /dev/spicapture.
 *
 * A virtual SPI controller, bus `bus`, with two chip selects as on a Raspberry Pi. The kernel's own spidev driver is
 * bound to both, so the device nodes, their limits and their errors are the real ones. A transfer takes as long as its
 * bits would take on the wire. MISO gives back what MOSI sent.
 *
 * /dev/spicapture: read() gives whole records, oldest first, and waits for the first one unless O_NONBLOCK (EAGAIN);
 * write() of anything throws all records away. A record is a `struct record` and then `len` bytes.
 *
 * Faults, in /sys/module/spi_capture/parameters (each counts down to 0, one a transfer):
 *   fail_next, fail_errno   the transfer fails with that errno (110 = ETIMEDOUT, 5 = EIO); nothing reached the LEDs
 *   stall_next              the transfer never completes: the kernel itself gives up after about 200 ms, ETIMEDOUT
 *   delay_next, delay_ms    the transfer takes that much longer (and may fail as well)
 * The device goes and comes back through the kernel's own doors: write "spi0.0" to /sys/bus/spi/drivers/spidev/unbind
 * (open descriptors get ESHUTDOWN, the node vanishes) and to .../bind.
 */
#include <linux/delay.h>
#include <linux/kfifo.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/poll.h>
#include <linux/spi/spi.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

#define FIFO_BYTES (1 << 23)
#define FASTEST_HZ 125000000

struct record {
	__le64 start_ns, end_ns;	/* CLOCK_MONOTONIC */
	__le32 speed_hz, mode, error;	/* error: 0, or the errno that the transfer failed with */
	u8 chip_select, bits, cs_change, last;	/* last: of its message */
	__le32 len;
} __packed;

static int bus;
module_param(bus, int, 0444);
static uint fail_next, fail_errno = ETIMEDOUT, stall_next, delay_next, delay_ms;
module_param(fail_next, uint, 0644);
module_param(fail_errno, uint, 0644);
module_param(stall_next, uint, 0644);
module_param(delay_next, uint, 0644);
module_param(delay_ms, uint, 0644);
static uint transfers, overruns;
module_param(transfers, uint, 0444);
MODULE_PARM_DESC(transfers, "seen so far, failed ones included");
module_param(overruns, uint, 0444);
MODULE_PARM_DESC(overruns, "records lost because nobody read them");

static DECLARE_KFIFO_PTR(fifo, u8);
static void *store;
static DEFINE_MUTEX(fifo_lock);
static DECLARE_WAIT_QUEUE_HEAD(arrival);
static struct platform_device *parent;
static struct spi_controller *controller;

/* True `*knob` times. Transfers of one controller come one after the other, so only the reader of sysfs races. */
static bool due(uint *knob)
{
	uint left = READ_ONCE(*knob);

	if (!left)
		return false;
	WRITE_ONCE(*knob, left - 1);
	return true;
}

static void keep(struct record *record, const void *bytes, u32 len)
{
	record->end_ns = cpu_to_le64(ktime_get_ns());
	record->len = cpu_to_le32(len);
	mutex_lock(&fifo_lock);
	if (kfifo_avail(&fifo) >= sizeof(*record) + len) {
		kfifo_in(&fifo, (u8 *)record, sizeof(*record));
		kfifo_in(&fifo, (const u8 *)bytes, len);
	} else {
		overruns++;
	}
	mutex_unlock(&fifo_lock);
	wake_up_interruptible(&arrival);
}

static u8 chip_select_of(struct spi_device *spi)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	return spi_get_chipselect(spi, 0);
#else
	return spi->chip_select;
#endif
}

static void wait_as_on_the_wire(struct spi_transfer *transfer)
{
	u64 us = div_u64((u64)transfer->len * 8 * USEC_PER_SEC, transfer->speed_hz ?: FASTEST_HZ);

	if (us)
		usleep_range(us, us + 20);
	if (due(&delay_next))
		msleep(delay_ms);
}

static int transfer_one(struct spi_controller *ctlr, struct spi_device *spi, struct spi_transfer *transfer)
{
	struct record record = {
		.start_ns = cpu_to_le64(ktime_get_ns()),
		.speed_hz = cpu_to_le32(transfer->speed_hz),
		.mode = cpu_to_le32(spi->mode),
		.chip_select = chip_select_of(spi),
		.bits = transfer->bits_per_word,
		.cs_change = transfer->cs_change,
		.last = list_is_last(&transfer->transfer_list, &ctlr->cur_msg->transfers),
	};
	bool stalled = due(&stall_next), failed = due(&fail_next);
	int error = stalled ? ETIMEDOUT : failed ? fail_errno : 0;

	transfers++;
	if (!stalled)
		wait_as_on_the_wire(transfer);
	if (!error && transfer->rx_buf && transfer->tx_buf)
		memcpy(transfer->rx_buf, transfer->tx_buf, transfer->len);
	else if (!error && transfer->rx_buf)
		memset(transfer->rx_buf, 0, transfer->len);
	record.error = cpu_to_le32(error);
	if (transfer->tx_buf)
		keep(&record, transfer->tx_buf, transfer->len);
	if (stalled)
		return 1;	/* "I shall tell you when it is done", and never tell */
	return -error;
}

static ssize_t capture_read(struct file *file, char __user *to, size_t room, loff_t *pos)
{
	struct record head;
	uint copied, total = 0;
	int ret = 0;

	if (kfifo_is_empty(&fifo)) {
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(arrival, !kfifo_is_empty(&fifo)))
			return -ERESTARTSYS;
	}
	mutex_lock(&fifo_lock);
	while (kfifo_out_peek(&fifo, (u8 *)&head, sizeof(head)) == sizeof(head)) {
		size_t size = sizeof(head) + le32_to_cpu(head.len);

		if (total + size > room)
			break;
		ret = kfifo_to_user(&fifo, to + total, size, &copied);
		if (ret)
			break;
		total += copied;
	}
	mutex_unlock(&fifo_lock);
	if (ret)
		return ret;
	return total ? total : -EMSGSIZE;	/* the caller's buffer does not hold one record */
}

static ssize_t capture_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	mutex_lock(&fifo_lock);
	kfifo_reset(&fifo);
	mutex_unlock(&fifo_lock);
	return len;
}

static __poll_t capture_poll(struct file *file, poll_table *table)
{
	poll_wait(file, &arrival, table);
	return kfifo_is_empty(&fifo) ? EPOLLOUT : EPOLLIN | EPOLLRDNORM | EPOLLOUT;
}

static const struct file_operations capture_operations = {
	.owner = THIS_MODULE,
	.read = capture_read,
	.write = capture_write,
	.poll = capture_poll,
	.llseek = no_llseek,
};

static struct miscdevice capture_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "spicapture",
	.fops = &capture_operations,
};

static int add_controller(void)
{
	int cs, ret;

	controller = spi_alloc_master(&parent->dev, 0);
	if (!controller)
		return -ENOMEM;
	controller->bus_num = bus;
	controller->num_chipselect = 2;
	controller->mode_bits = SPI_CPOL | SPI_CPHA | SPI_CS_HIGH | SPI_NO_CS;
	controller->bits_per_word_mask = SPI_BPW_MASK(8);
	controller->min_speed_hz = 3814;	/* 250 MHz / 65536, the slowest of a BCM2835 */
	controller->max_speed_hz = FASTEST_HZ;
	controller->transfer_one = transfer_one;
	ret = spi_register_controller(controller);
	if (ret) {
		spi_controller_put(controller);
		return ret;
	}
	for (cs = 0; cs < 2; cs++) {
		/* spidev answers to the names of a few real chips only; "bk4" is one of them */
		struct spi_board_info chip = {
			.modalias = "bk4", .max_speed_hz = FASTEST_HZ, .bus_num = bus, .chip_select = cs,
		};

		if (!spi_new_device(controller, &chip)) {
			spi_unregister_controller(controller);
			return -ENODEV;
		}
	}
	return 0;
}

static int __init capture_init(void)
{
	int ret;

	store = vmalloc(FIFO_BYTES);	/* more than kfifo_alloc() can get */
	if (!store)
		return -ENOMEM;
	kfifo_init(&fifo, store, FIFO_BYTES);
	parent = platform_device_register_simple("spi-capture", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(parent)) {
		ret = PTR_ERR(parent);
		goto free_store;
	}
	ret = add_controller();
	if (ret)
		goto remove_parent;
	ret = misc_register(&capture_device);
	if (!ret)
		return 0;
	spi_unregister_controller(controller);
remove_parent:
	platform_device_unregister(parent);
free_store:
	vfree(store);
	return ret;
}

static void __exit capture_exit(void)
{
	misc_deregister(&capture_device);
	spi_unregister_controller(controller);
	platform_device_unregister(parent);
	vfree(store);
}

module_init(capture_init);
module_exit(capture_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("SPI controller that records what is sent through spidev, and fails on demand");
