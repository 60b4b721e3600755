"""What the exporter writes: every field of its default list, by the template of its real self.

Like that one it escapes nothing, gives a GPU without a value no line, repeats what is the board's for every MIG
instance, and writes one copy of everything for each pod that shares a GPU.
"""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from purveyor_dcgm.sandbox._machine import RESERVED_MIB, XIDS, Gpu, Instance, Machine, Work

Names = Literal["old", "new"]
"""The fields' names up to DCGM 4.5, and from 4.6 on."""

_DRIVER = {"old": "550.54.15", "new": "595.58.03"}
_MODEL = "NVIDIA H100 80GB HBM3"

_Value = Callable[[Gpu, Instance | None, Work], int | float | None]


class _Field(NamedTuple):
    old: str
    new: str
    type: str
    help: str
    value: _Value


def _whole(value: Callable[[Work], int]) -> _Value:
    """What the driver does not measure for MIG instances."""
    return lambda _, instance, work: value(work) if instance is None else None


_FIELDS = (
    _Field("DEV_SM_CLOCK", "", "gauge", "SM clock frequency (in MHz).", lambda g, _, __: 345 + round(1635 * g.active)),
    _Field("DEV_MEM_CLOCK", "", "gauge", "Memory clock frequency (in MHz).", lambda _, __, ___: 2619),
    _Field("DEV_MEMORY_TEMP", "DEV_MEMORY_TEMP_CELSIUS", "gauge", "Memory temperature (in C).", lambda g, _, __: round(g.celsius + 6)),
    _Field("DEV_GPU_TEMP", "DEV_GPU_TEMP_CELSIUS", "gauge", "GPU temperature (in C).", lambda g, _, __: round(g.celsius)),
    _Field("DEV_POWER_USAGE", "DEV_BOARD_POWER_WATTS", "gauge", "Power draw (in W).", lambda g, _, __: g.watts),
    _Field("DEV_TOTAL_ENERGY_CONSUMPTION", "", "counter", "Total energy consumption since boot (in mJ).", lambda g, _, __: g.millijoules),
    _Field("DEV_PCIE_REPLAY_COUNTER", "DEV_PCIE_REPLAY_TOTAL", "counter", "Total number of PCIe retries.", lambda _, __, ___: 0),
    _Field("DEV_GPU_UTIL", "DEV_GPU_UTIL_RATIO", "gauge", "GPU utilization (in %).", _whole(lambda w: round(100 * min(1.0, 1.15 * w.active)))),
    _Field("DEV_MEM_COPY_UTIL", "", "gauge", "Memory utilization (in %).", _whole(lambda w: round(60 * w.active))),
    _Field("DEV_ENC_UTIL", "", "gauge", "Encoder utilization (in %).", _whole(lambda _: 0)),
    _Field("DEV_DEC_UTIL", "", "gauge", "Decoder utilization (in %).", _whole(lambda _: 0)),
    _Field("DEV_XID_ERRORS", "DEV_XID_ERROR", "gauge", "Value of the last XID error encountered.", lambda g, _, __: g.xid),
    _Field("DEV_FB_FREE", "", "gauge", "Framebuffer memory free (in MiB).", lambda _, __, w: w.limit - w.used),
    _Field("DEV_FB_USED", "", "gauge", "Framebuffer memory used (in MiB).", lambda _, __, w: w.used),
    _Field("DEV_FB_RESERVED", "", "gauge", "Framebuffer memory reserved (in MiB).", _whole(lambda _: RESERVED_MIB)),
    _Field("DEV_NVLINK_BANDWIDTH_TOTAL", "DEV_NVLINK_THROUGHPUT_TOTAL", "counter", "Total number of NVLink bandwidth counters for all lanes.", _whole(lambda w: round(400_000 * w.active))),
    _Field("DEV_VGPU_LICENSE_STATUS", "", "gauge", "vGPU License status", lambda _, __, ___: 0),
    _Field("DEV_UNCORRECTABLE_REMAPPED_ROWS", "DEV_ROW_REMAP_UNCORRECTABLE_TOTAL", "counter", "Number of remapped rows for uncorrectable errors", lambda _, __, ___: 0),
    _Field("DEV_CORRECTABLE_REMAPPED_ROWS", "DEV_ROW_REMAP_CORRECTABLE_TOTAL", "counter", "Number of remapped rows for correctable errors", lambda _, __, ___: 0),
    _Field("DEV_ROW_REMAP_FAILURE", "DEV_ROW_REMAP_FAILED", "gauge", "Whether remapping of rows has failed", lambda _, __, ___: 0),
    _Field("PROF_GR_ENGINE_ACTIVE", "PROF_GR_ENGINE_UTIL_RATIO", "gauge", "Ratio of time the graphics engine is active.", lambda _, __, w: float(w.active)),
    _Field("PROF_PIPE_TENSOR_ACTIVE", "PROF_TENSOR_UTIL_RATIO", "gauge", "Ratio of cycles the tensor (HMMA) pipe is active.", lambda _, __, w: 0.55 * w.active),
    _Field("PROF_DRAM_ACTIVE", "PROF_DRAM_UTIL_RATIO", "gauge", "Ratio of cycles the device memory interface is active sending or receiving data.", lambda _, __, w: 0.45 * w.active),
    _Field("PROF_PCIE_TX_BYTES", "", "gauge", "The rate of data transmitted over the PCIe bus - including both protocol headers and data payloads - in bytes per second.", lambda _, __, w: round(2e9 * w.active)),
    _Field("PROF_PCIE_RX_BYTES", "", "gauge", "The rate of data received over the PCIe bus - including both protocol headers and data payloads - in bytes per second.", lambda _, __, w: round(3e9 * w.active)),
)  # fmt: skip


def written(machine: Machine, names: Names) -> str:
    """The whole document."""
    lines: list[str] = []
    for field in _FIELDS:
        name = f"DCGM_FI_{field.new if names == 'new' and field.new else field.old}"
        lines += [f"# HELP {name} {field.help}", f"# TYPE {name} {field.type}"]
        for gpu, instance, work in machine.works():
            value = field.value(gpu, instance, work)
            is_error = field.old == "DEV_XID_ERRORS"
            # From the same version on, no error is no line.
            if value is None or (is_error and names == "new" and not value):
                continue
            text = str(value) if isinstance(value, int) else f"{value:.6f}"
            shown = _labels(machine, gpu, instance, names)
            error = _error(gpu) if is_error else ""
            lines += [f"{name}{{{shown}{error}{pod}}} {text}" for pod in _pods(work)]
    return "".join(f"{line}\n" for line in lines)


def _labels(machine: Machine, gpu: Gpu, instance: Instance | None, names: Names) -> str:
    part = f',GPU_I_PROFILE="{instance.profile}",GPU_I_ID="{instance.id}"' if instance else ""
    host = "hostname" if names == "new" else "Hostname"
    job = f',hpc_job="{gpu.hpc_job}"' if gpu.hpc_job else ""
    return (
        f'gpu="{gpu.number}",UUID="{gpu.uuid}",pci_bus_id="00000000:{gpu.number * 16 + 15:02X}:00.0",'
        f'device="nvidia{gpu.number}",modelName="{_MODEL}"{part},{host}="{machine.host}",'
        f'DCGM_FI_DRIVER_VERSION="{_DRIVER[names]}"{job}'
    )


def _error(gpu: Gpu) -> str:
    return f',err_code="{gpu.xid}",err_msg="{XIDS.get(gpu.xid, "No Error")}"'


def _pods(work: Work) -> Iterator[str]:
    if not work.name:
        yield ',container="",namespace="",pod="",pod_uid=""'
    for at in range(work.pods if work.name else 0):
        name = f"{work.name}-{at}" if work.pods > 1 else work.name
        slice_ = f',vgpu="{at}"' if work.pods > 1 else ""
        yield f',container="main",namespace="team-a",pod="{name}",pod_uid=""{slice_}'
