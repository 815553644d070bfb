// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs: attributes of all address spaces, for the administrator.
 *
 * Reading lists what is not by default.  Writing sets:
 *
 *   ADDRESS-SPACE START SIZE TYPE=VALUE[ TYPE=VALUE]...
 *
 * in numbers, as SVM_ATTR takes them; with no pair, it resets.  It is the one way
 * to attributes of another process, and it is root's.
 */
#include <linux/debugfs.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "drv/drv.h"
#include "vm/vm.h"

#define VSVM_ATTR_LINE	2048

static int vsvm_debugfs_attr_show(struct seq_file *m, void *unused)
{
	struct vsvm_device *vdev = m->private;

	vsvm_vmm_attr_show(vdev->vmm, m);
	return 0;
}

static int vsvm_debugfs_attr_open(struct inode *inode, struct file *file)
{
	return single_open(file, vsvm_debugfs_attr_show, inode->i_private);
}

/* The pairs of a line.  Their number, or -EINVAL, -E2BIG */
static int vsvm_debugfs_attr_pairs(char *text, struct drm_vsvm_attr *attrs)
{
	unsigned int n = 0;
	char *word, *value;

	while ((word = strsep(&text, " \t\n"))) {
		if (!*word)
			continue;
		if (n == VSVM_MAX_ATTRS)
			return -E2BIG;
		value = strchr(word, '=');
		if (!value)
			return -EINVAL;
		*value++ = 0;
		if (kstrtou32(word, 0, &attrs[n].type) ||
		    kstrtou32(value, 0, &attrs[n].value))
			return -EINVAL;
		n++;
	}
	return n;
}

static int vsvm_debugfs_attr_set(struct vsvm_device *vdev, char *text)
{
	struct drm_vsvm_attr *attrs;
	unsigned long long start, size;
	struct vsvm_vm *vm;
	unsigned int asid;
	int count, at = 0, err;
	u64 end;

	if (sscanf(text, "%u %lli %lli %n", &asid, &start, &size, &at) < 3 || !at)
		return -EINVAL;
	if (!size || !PAGE_ALIGNED(start | size) ||
	    check_add_overflow(start, size, &end) || end > BIT_ULL(VSVM_HW_VA_BITS))
		return -EINVAL;
	attrs = kmalloc_objs(*attrs, VSVM_MAX_ATTRS);
	if (!attrs)
		return -ENOMEM;
	count = vsvm_debugfs_attr_pairs(text + at, attrs);
	if (count < 0) {
		err = count;
		goto out;
	}
	vm = vsvm_vmm_attr_vm(vdev->vmm, asid);
	if (!vm) {
		err = -ENOENT;
		goto out;
	}
	err = count ? vsvm_vm_attr_set(vm, start, end, attrs, count) :
		vsvm_vm_attr_reset(vm, start, end);
	vsvm_vm_put(vm);
out:
	kfree(attrs);
	return err;
}

static ssize_t vsvm_debugfs_attr_write(struct file *file, const char __user *from,
				       size_t size, loff_t *pos)
{
	struct vsvm_device *vdev = ((struct seq_file *)file->private_data)->private;
	char *text;
	int err;

	if (size >= VSVM_ATTR_LINE)
		return -E2BIG;
	text = memdup_user_nul(from, size);
	if (IS_ERR(text))
		return PTR_ERR(text);
	down_read(&vdev->lock);
	err = vdev->gone ? -ENODEV : vsvm_debugfs_attr_set(vdev, text);
	up_read(&vdev->lock);
	kfree(text);
	return err ?: size;
}

static const struct file_operations vsvm_debugfs_attr_fops = {
	.owner = THIS_MODULE,
	.open = vsvm_debugfs_attr_open,
	.read = seq_read,
	.write = vsvm_debugfs_attr_write,
	.llseek = seq_lseek,
	.release = single_release,
};

/** vsvm_debugfs_attr_init() - make the file of a registered device */
void vsvm_debugfs_attr_init(struct vsvm_device *vdev)
{
	debugfs_create_file("svm_attr", 0600, vdev->drm.debugfs_root, vdev,
			    &vsvm_debugfs_attr_fops);
}
