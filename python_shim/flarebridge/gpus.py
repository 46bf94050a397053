"""How busy the GPUs of this machine are, under the names that W&B's pages know. One thread.

NVIDIA's are asked by the driver's own library (NVML, nvml.h), which is loaded here at run time; AMD's by the files of
the kernel's driver (Documentation/gpu/amdgpu of Linux). Where one of them is missing or fails, what it would have said
is left out, without a word: most machines have no such GPU.
"""

import ctypes
import glob
import os
from typing import Any, Optional

_LIBRARY = "libnvidia-ml.so.1"
_DRM = "/sys/class/drm"
_MOST = 64  # GPUs of each kind that are asked
_GPU_TEMPERATURE = 0  # NVML_TEMPERATURE_GPU
_CLOCKS = {"graphicsClock": 0, "smClock": 1, "memoryClock": 2}  # nvmlClockType_t


class Gpus:
    """All of this machine."""

    def __init__(self, library: str = _LIBRARY, drm: str = _DRM):
        self._nvidia = _Nvidia.found(library)
        self._amd = sorted(map(os.path.dirname, glob.glob(f"{drm}/card*/device/gpu_busy_percent")))[:_MOST]

    def sample(self) -> dict[str, float]:
        """Name and value. `gpu.N.`

        gpu, memory                            % of the time in which the GPU, and its memory, were at work
        memoryAllocated, memoryAllocatedBytes  memory in use, in % and bytes
        temp                                   degrees Celsius
        powerWatts, powerPercent, enforcedPowerLimitWatts
        smClock, memoryClock, graphicsClock    MHz
        """
        found: dict[str, float] = {}
        devices = [] if self._nvidia is None else self._nvidia.devices
        for number, device in enumerate(devices):
            found.update({f"gpu.{number}.{name}": value for name, value in self._nvidia.sample(device).items()})
        for number, folder in enumerate(self._amd, len(devices)):
            found.update({f"gpu.{number}.{name}": value for name, value in _sample_amd(folder).items()})
        return found


class _Utilization(ctypes.Structure):
    """nvmlUtilization_t."""

    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Memory(ctypes.Structure):
    """nvmlMemory_t: bytes."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Nvidia:
    """The loaded library, until the process ends."""

    def __init__(self, library: ctypes.CDLL, devices: list):
        self._library = library
        self.devices = devices

    @staticmethod
    def found(name: str) -> Optional["_Nvidia"]:
        try:
            library = ctypes.CDLL(name)
            if library.nvmlInit_v2() != 0:
                return None
            count, devices = ctypes.c_uint(), []
            if library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
                return None
            for number in range(min(count.value, _MOST)):
                device = ctypes.c_void_p()
                if library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(number), ctypes.byref(device)) == 0:
                    devices.append(device)
            return _Nvidia(library, devices)
        except (OSError, AttributeError):  # there is none, or it is another one
            return None

    def sample(self, device: Any) -> dict[str, float]:
        found: dict[str, float] = {}
        busy = self._ask("nvmlDeviceGetUtilizationRates", device, _Utilization())
        if busy is not None:
            found.update(gpu=busy.gpu, memory=busy.memory)
        memory = self._ask("nvmlDeviceGetMemoryInfo", device, _Memory())
        if memory is not None and memory.total:
            found.update(memoryAllocated=100 * memory.used / memory.total, memoryAllocatedBytes=memory.used)
        heat = self._ask("nvmlDeviceGetTemperature", device, ctypes.c_uint(), _GPU_TEMPERATURE)
        if heat is not None:
            found["temp"] = heat.value
        power = self._ask("nvmlDeviceGetPowerUsage", device, ctypes.c_uint())  # milliwatts, as the limit
        limit = self._ask("nvmlDeviceGetEnforcedPowerLimit", device, ctypes.c_uint())
        if power is not None:
            found["powerWatts"] = power.value / 1000
        if limit is not None and limit.value:
            found["enforcedPowerLimitWatts"] = limit.value / 1000
            if power is not None:
                found["powerPercent"] = 100 * power.value / limit.value
        for name, kind in _CLOCKS.items():
            clock = self._ask("nvmlDeviceGetClockInfo", device, ctypes.c_uint(), kind)
            if clock is not None:
                found[name] = clock.value
        return found

    def _ask(self, function: str, device: Any, answer: Any, *about: int) -> Any:
        """The answer, filled; None: this GPU, or this library, does not tell."""
        call = getattr(self._library, function, None)
        if call is None or call(device, *map(ctypes.c_uint, about), ctypes.byref(answer)) != 0:
            return None
        return answer


def _sample_amd(folder: str) -> dict[str, float]:
    found: dict[str, float] = {}
    busy = _number(f"{folder}/gpu_busy_percent")
    if busy is not None:
        found["gpu"] = busy
    used, total = _number(f"{folder}/mem_info_vram_used"), _number(f"{folder}/mem_info_vram_total")
    if used is not None and total:
        found.update(memoryAllocated=100 * used / total, memoryAllocatedBytes=used)
    for sensors in glob.glob(f"{folder}/hwmon/hwmon*")[:1]:
        heat = _number(f"{sensors}/temp1_input")  # thousandths of a degree
        power = _number(f"{sensors}/power1_average")  # microwatts
        if heat is not None:
            found["temp"] = heat / 1000
        if power is not None:
            found["powerWatts"] = power / 1e6
    return found


def _number(path: str) -> Optional[int]:
    try:
        with open(path, "rb", buffering=0) as file:
            return int(file.read(64))
    except (OSError, ValueError):
        return None
