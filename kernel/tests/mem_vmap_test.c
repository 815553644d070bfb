// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffer objects mapped by the kernel, for those it has been shared with: user
 * space has no way to ask for that.
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_prime.h>
#include <drm/vsvm_drm.h>

#include "mem/bo.h"
#include "mem/mem.h"
#include "tests/hw_fixture.h"
#include "tests/suites.h"

MODULE_IMPORT_NS("DMA_BUF");

#define BYTES	(SZ_64K + PAGE_SIZE)

/**
 * struct vmap_device - a device that has memory and no user space
 * @drm: base
 * @hw: hardware
 * @mem: device memory
 */
struct vmap_device {
	struct drm_device drm;
	struct vsvm_hw *hw;
	struct vsvm_mem *mem;
};

/* One that makes objects, and one that gets them, without memory of its own */
static struct vmap_device *exporter, *importer;

static struct drm_gem_object *vmap_import(struct drm_device *drm,
					  struct dma_buf_attachment *attach,
					  struct sg_table *sgt)
{
	return vsvm_bo_import(container_of(drm, struct vmap_device, drm)->mem, attach, sgt);
}

static const struct file_operations vmap_fops = {
	.owner = THIS_MODULE,
};

static const struct drm_driver vmap_driver = {
	.driver_features = DRIVER_GEM,
	.fops = &vmap_fops,
	.gem_prime_import_sg_table = vmap_import,
	.name = "vsvm-kunit",
	.desc = "Devices of a test",
};

static void vmap_irq(void *priv, u32 causes)
{
	struct vmap_device *v = priv;

	if (causes & VSVM_HW_IRQ_COPY)
		vsvm_mem_copy_irq(v->mem);
}

static struct vmap_device *vmap_device(struct kunit *test, u64 vram)
{
	struct vsvm_hw_config config = hw_fixture_config();
	struct vsvm_mem_config mem = {
		.vram_bytes = vram,
		.copy_channels = 1,
		.return_pages = 16,
	};
	struct hw_fixture *f = test->priv;
	struct vmap_device *v;

	v = devm_drm_dev_alloc(f->dev, &vmap_driver, struct vmap_device, drm);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, v);
	v->mem = vsvm_mem_create(&v->drm, &mem);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, v->mem);
	config.vram_bytes = vram;
	config.copy_channels = 1;
	config.copy_entries = 64;
	v->hw = vsvm_hw_create(f->dev, &config, vmap_irq, v);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, v->hw);
	KUNIT_ASSERT_EQ(test, 0, vsvm_mem_start(v->mem, v->hw));
	return v;
}

static int mem_vmap_init(struct kunit *test)
{
	int ret = hw_fixture_init(test);

	if (ret)
		return ret;
	exporter = vmap_device(test, SZ_4M);
	importer = vmap_device(test, 0);
	return 0;
}

static void vmap_device_end(struct vmap_device **v)
{
	if (*v) {
		vsvm_mem_stop((*v)->mem);
		vsvm_hw_destroy((*v)->hw);
		vsvm_mem_destroy((*v)->mem);
	}
	*v = NULL;
}

static void mem_vmap_exit(struct kunit *test)
{
	vmap_device_end(&importer);
	vmap_device_end(&exporter);
	hw_fixture_exit(test);
}

static void vmap_fill(struct iosys_map *map, u8 value)
{
	iosys_map_memset(map, 0, value, BYTES);
}

static bool vmap_is(const struct iosys_map *map, u8 value)
{
	return !memchr_inv(map->vaddr, value, BYTES);
}

static u32 vmap_state(struct drm_gem_object *gem)
{
	struct drm_vsvm_bo_info info = {};

	return vsvm_bo_get_info(vsvm_bo_from_gem(gem), &info) ? ~0u : info.state;
}

/* What the kernel writes through one mapping is what it reads through another */
static void mem_vmap_own(struct kunit *test)
{
	static const u32 places[] = { DRM_VSVM_BO_SYSTEM, DRM_VSVM_BO_VRAM };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		struct drm_gem_object *gem;
		struct iosys_map a, b;

		gem = vsvm_bo_create(exporter->mem, BYTES, places[i], 0);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, gem);
		KUNIT_ASSERT_EQ(test, 0, drm_gem_vmap(gem, &a));
		KUNIT_EXPECT_TRUE(test, vmap_is(&a, 0));
		vmap_fill(&a, 0x5a);
		KUNIT_ASSERT_EQ(test, 0, drm_gem_vmap(gem, &b));
		drm_gem_vunmap(gem, &a);
		KUNIT_EXPECT_TRUE(test, vmap_is(&b, 0x5a));
		/* Nobody moves it meanwhile */
		KUNIT_EXPECT_EQ(test, DRM_VSVM_BO_IN_SYSTEM, vmap_state(gem));
		drm_gem_vunmap(gem, &b);
		drm_gem_object_put(gem);
	}
}

static void mem_vmap_through_an_import(struct kunit *test)
{
	struct drm_gem_object *gem, *theirs;
	struct iosys_map ours, map;
	struct dma_buf *dmabuf;

	gem = vsvm_bo_create(exporter->mem, BYTES, DRM_VSVM_BO_VRAM, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, gem);
	KUNIT_ASSERT_EQ(test, 0, drm_gem_vmap(gem, &ours));
	vmap_fill(&ours, 0x17);
	drm_gem_vunmap(gem, &ours);
	dmabuf = gem->funcs->export(gem, O_RDWR);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
	theirs = drm_gem_prime_import(&importer->drm, dmabuf);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, theirs);
	KUNIT_EXPECT_TRUE(test, vsvm_bo_is_imported(vsvm_bo_from_gem(theirs)));
	KUNIT_ASSERT_EQ(test, 0, drm_gem_vmap(theirs, &map));
	KUNIT_EXPECT_TRUE(test, vmap_is(&map, 0x17));
	vmap_fill(&map, 0x2b);
	drm_gem_vunmap(theirs, &map);
	KUNIT_ASSERT_EQ(test, 0, drm_gem_vmap(gem, &ours));
	KUNIT_EXPECT_TRUE(test, vmap_is(&ours, 0x2b));
	drm_gem_vunmap(gem, &ours);
	/* And when nobody but the importer has it */
	drm_gem_object_put(gem);
	dma_buf_put(dmabuf);
	KUNIT_ASSERT_EQ(test, 0, drm_gem_vmap(theirs, &map));
	KUNIT_EXPECT_TRUE(test, vmap_is(&map, 0x2b));
	drm_gem_vunmap(theirs, &map);
	drm_gem_object_put(theirs);
	/* Files of kernel threads are closed later, and the dma-buf with its own */
	flush_delayed_fput();
}

static struct kunit_case mem_vmap_cases[] = {
	KUNIT_CASE(mem_vmap_own),
	KUNIT_CASE(mem_vmap_through_an_import),
	{}
};

struct kunit_suite vsvm_mem_vmap_suite = {
	.name = "vsvm_mem_vmap",
	.init = mem_vmap_init,
	.exit = mem_vmap_exit,
	.test_cases = mem_vmap_cases,
};
