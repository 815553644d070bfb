// SPDX-License-Identifier: GPL-2.0-only
/*
 * vsvm-bench.ko: yardsticks for the benchmarks, each of which does one thing in
 * the barest way that the kernel allows, and says how long it took.
 *
 * For a throw-away machine: whoever may open the device can make the kernel pin
 * a GiB.
 */
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "bench/bench.h"

static unsigned int mib = 64;
module_param(mib, uint, 0444);
MODULE_PARM_DESC(mib, "MiB of device memory, even (default 64)");

static struct platform_device *bench_device;

struct page **bench_pin(u64 address, u64 size)
{
	unsigned long npages = size >> PAGE_SHIFT;
	struct page **pages;
	long done = 0, n;

	pages = kvmalloc_array(npages, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return ERR_PTR(-ENOMEM);
	while (done < npages) {
		n = pin_user_pages_fast(address + (done << PAGE_SHIFT),
					min(npages - done, 512ul), FOLL_WRITE,
					pages + done);
		if (n <= 0) {
			bench_unpin(pages, done << PAGE_SHIFT);
			return ERR_PTR(n ?: -EFAULT);
		}
		done += n;
	}
	return pages;
}

void bench_unpin(struct page **pages, u64 size)
{
	unpin_user_pages_dirty_lock(pages, size >> PAGE_SHIFT, true);
	kvfree(pages);
}

static int bench_memcpy(struct vsvm_bench_op *op)
{
	struct page **to, **from;
	size_t bytes = PAGE_SIZE;
	unsigned long i;
	u64 t;

	/* The function, not what the compiler makes of a known size */
	OPTIMIZER_HIDE_VAR(bytes);
	to = bench_pin(op->address, op->size);
	if (IS_ERR(to))
		return PTR_ERR(to);
	from = bench_pin(op->source, op->size);
	if (IS_ERR(from)) {
		bench_unpin(to, op->size);
		return PTR_ERR(from);
	}
	t = ktime_get_ns();
	for (i = 0; i < op->size >> PAGE_SHIFT; i++) {
		memcpy(page_address(to[i]), page_address(from[i]), bytes);
		cond_resched();
	}
	op->ns = ktime_get_ns() - t;
	op->pages = i;
	bench_unpin(from, op->size);
	bench_unpin(to, op->size);
	return 0;
}

static long bench_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vsvm_bench_op op;
	int ret;

	if (copy_from_user(&op, (void __user *)arg, sizeof(op)))
		return -EFAULT;
	if (!op.size || op.size > SZ_1G ||
	    !PAGE_ALIGNED(op.address | op.source | op.size))
		return -EINVAL;
	switch (cmd) {
	case VSVM_BENCH_MEMCPY:
		ret = bench_memcpy(&op);
		break;
	case VSVM_BENCH_MIGRATE_TO_DEVICE:
	case VSVM_BENCH_MIGRATE_TO_SYSTEM:
		ret = bench_migrate(&op, cmd == VSVM_BENCH_MIGRATE_TO_DEVICE);
		break;
	case VSVM_BENCH_ENGINE_TO_DEVICE:
	case VSVM_BENCH_ENGINE_TO_SYSTEM:
		ret = bench_engine_copy(&op, cmd == VSVM_BENCH_ENGINE_TO_DEVICE);
		break;
	default:
		return -ENOTTY;
	}
	if (!ret && copy_to_user((void __user *)arg, &op, sizeof(op)))
		ret = -EFAULT;
	return ret;
}

static const struct file_operations bench_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = bench_ioctl,
};

static struct miscdevice bench_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = VSVM_BENCH_NAME,
	.fops = &bench_fops,
	.mode = 0600,
};

static int __init bench_init(void)
{
	u64 bytes = (u64)mib * SZ_1M;
	int ret;

	if (!mib || mib % 2)
		return -EINVAL;
	bench_device = platform_device_register_simple(VSVM_BENCH_NAME, -1, NULL, 0);
	if (IS_ERR(bench_device))
		return PTR_ERR(bench_device);
	ret = bench_engine_init(&bench_device->dev, bytes);
	if (ret)
		goto err_device;
	ret = bench_migrate_init(bytes);
	if (ret)
		goto err_engine;
	ret = misc_register(&bench_misc);
	if (ret)
		goto err_migrate;
	return 0;

err_migrate:
	bench_migrate_fini();
err_engine:
	bench_engine_fini();
err_device:
	platform_device_unregister(bench_device);
	return ret;
}

static void __exit bench_exit(void)
{
	misc_deregister(&bench_misc);
	bench_migrate_fini();
	bench_engine_fini();
	platform_device_unregister(bench_device);
}

module_init(bench_init);
module_exit(bench_exit);

MODULE_DESCRIPTION("Yardsticks for the benchmarks of vsvm");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
