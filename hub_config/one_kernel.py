"""The one kernel that there is: sealed Python. Every other name does not exist."""

from __future__ import annotations

from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel


class OneKernel(KernelSpecManager):
    """Kernel specs of a person's server, whatever lies on its disk."""

    NAME = "sandbox"

    def find_kernel_specs(self) -> dict[str, str]:
        """The one name; it has no folder of resources."""
        return {self.NAME: ""}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """The spec.

        Raises:
            NoSuchKernel: for every other name.

        """
        if kernel_name != self.NAME:
            raise NoSuchKernel(kernel_name)
        # The provisioner runs its own command, in a room; this one would do nothing.
        return KernelSpec(
            argv=["/bin/false"],
            display_name="Python 3 (sealed)",
            language="python",
            interrupt_mode="message",
            metadata={"kernel_provisioner": {"provisioner_name": "sandbox-room", "config": {}}},
        )

    def get_all_specs(self) -> dict[str, Any]:
        """As the server lists them."""
        return {self.NAME: {"resource_dir": "", "spec": self.get_kernel_spec(self.NAME).to_dict()}}

    def install_kernel_spec(self, *_: Any, **__: Any) -> str:
        """Nothing is installed.

        Raises:
            PermissionError: always.

        """
        raise PermissionError("kernels are not installed here")

    def remove_kernel_spec(self, name: str) -> str:  # noqa: ARG002
        """Nothing is removed.

        Raises:
            PermissionError: always.

        """
        raise PermissionError("kernels are not removed here")
