// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module: a driver and one device for it.
 */
#include <linux/module.h>
#include <linux/platform_device.h>

#include "drv/drv.h"

static struct platform_device *vsvm_pdev;

static int __init vsvm_init(void)
{
	int err;

	err = platform_driver_register(&vsvm_platform_driver);
	if (err)
		return err;
	vsvm_pdev = platform_device_register_simple("vsvm", 0, NULL, 0);
	if (IS_ERR(vsvm_pdev)) {
		platform_driver_unregister(&vsvm_platform_driver);
		return PTR_ERR(vsvm_pdev);
	}
	/* A device that could not be set up is no reason to stay */
	if (!platform_get_drvdata(vsvm_pdev)) {
		platform_device_unregister(vsvm_pdev);
		platform_driver_unregister(&vsvm_platform_driver);
		return -ENODEV;
	}
	return 0;
}

static void __exit vsvm_exit(void)
{
	platform_device_unregister(vsvm_pdev);
	platform_driver_unregister(&vsvm_platform_driver);
}

module_init(vsvm_init);
module_exit(vsvm_exit);

MODULE_DESCRIPTION("Virtual accelerator with shared virtual memory");
MODULE_LICENSE("GPL");
