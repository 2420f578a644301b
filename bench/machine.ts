import { existsSync, readFileSync } from 'node:fs'
import { arch, cpus, loadavg, platform, release, totalmem } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { runningProcesses } from './contenders/processes.js'

/** The machine that something was measured on. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly platform: string
  readonly node: string
  /** Load average over the minute before measuring began. */
  readonly loadAverage: number
}

export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${platform()}-${arch()} ${release()}`,
    node: process.version,
    loadAverage: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  }
}

/** CPU time so far, in seconds: `all` of the machine, `ours` of this process and those it started. */
interface CpuTime {
  readonly all: number
  readonly ours: number
}

/** Unit of Linux's CPU times, as programs see them. */
const TICKS_PER_SECOND = 100

function cpuTime(): CpuTime | null {
  if (!existsSync('/proc/stat')) return null
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (
    readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? ''
  )
    .split(/\s+/)
    .map(Number)
  // Read fields 14 to 17: of the process, and of its ended children. Skip the name before them, which may hold spaces.
  const ofProcess = (pid: number) => {
    const path = `/proc/${pid}/stat`
    if (!existsSync(path)) return 0
    const fields = readFileSync(path, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0)
  }
  const ours = [process.pid, ...runningProcesses()].map(ofProcess).reduce((a, b) => a + b)
  return {
    all: (user + nice + system + irq + softirq) / TICKS_PER_SECOND,
    ours: ours / TICKS_PER_SECOND,
  }
}

/** Watches other programs; the returned function tells the cores that they had since, on average. */
export function watchOthers(): () => number | null {
  const before = cpuTime()
  const begin = performance.now()
  return () => {
    const after = cpuTime()
    if (!before || !after) return null
    const others = after.all - before.all - (after.ours - before.ours)
    return Math.max(0, Math.round((others / ((performance.now() - begin) / 1000)) * 100) / 100)
  }
}

/** Resident memory of a process in MB (10^6 bytes), now and at its peak. Null where there is no /proc. */
export function residentMemory(pid: number): { nowMB: number; peakMB: number } | null {
  const path = `/proc/${pid}/status`
  if (!existsSync(path)) return null
  const status = readFileSync(path, 'utf8')
  const read = (name: string) =>
    (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024) / 1e6
  return { nowMB: read('VmRSS'), peakMB: read('VmHWM') }
}

/** Watches a process until the work is done; returns its peak of resident memory, in MB. */
export async function watchMemory(
  work: (watch: (pid: number) => void) => Promise<unknown>,
): Promise<number | null> {
  let peak: number | null = null
  let pid = 0
  let done = false
  const watching = (async () => {
    while (!done) {
      const seen = pid ? residentMemory(pid)?.peakMB : undefined
      if (seen !== undefined && Number.isFinite(seen)) peak = Math.max(peak ?? 0, seen)
      await sleep(2)
    }
  })()
  try {
    await work((id) => {
      pid = id
    })
  } finally {
    done = true
    await watching
  }
  return peak
}
