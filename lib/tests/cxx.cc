// SPDX-License-Identifier: MIT
/* The header is usable from C++: that this compiles is the test */
#include <vsvm.h>

int cxx_uses_vsvm(struct vsvm_queue *queue, struct vsvm_cmds *cmds, uint64_t *value);

int cxx_uses_vsvm(struct vsvm_queue *queue, struct vsvm_cmds *cmds, uint64_t *value)
{
	struct vsvm_packet *packet = vsvm_cmds_append(cmds, VSVM_PACKET_STORE);

	if (!packet)
		return 1;
	packet->store.address = reinterpret_cast<uintptr_t>(value);
	packet->store.width = sizeof(*value);
	return vsvm_cmd_fence(cmds, value, 1) || vsvm_run(queue, cmds, -1);
}
