import { BlockList, isIP } from 'node:net'
import type { LoadModelOptions } from '../types.js'
import type { LogFormat } from './log.js'

/** Settings of `serve`: plain data, which can be sent to another process. */
export interface ServeSettings {
  readonly modelPath: string
  readonly load: Omit<LoadModelOptions, 'signal' | 'onProgress' | 'onLog'>
  readonly host: string
  readonly port: number
  readonly modelId: string | undefined
  readonly apiKeys: readonly string[]
  readonly maxBodyBytes: number
  readonly maxMessages: number
  readonly slowReaderMs: number
  /** Longest time that requests may go on after SIGTERM, in milliseconds. */
  readonly drainMs: number
  readonly logLevel: string
  readonly logFormat: LogFormat
}

/** True for an address that only this machine can reach. A name but `localhost` is none: it may mean any address. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true
  const family = isIP(host)
  if (family === 0) return false
  const loopback = new BlockList()
  loopback.addSubnet('127.0.0.0', 8, 'ipv4')
  loopback.addAddress('::1', 'ipv6')
  return loopback.check(host, family === 4 ? 'ipv4' : 'ipv6')
}
