import { readFileSync } from 'node:fs'

interface Importer {
  importPeer: (name: string) => Promise<unknown>
}

const folder = new URL('../../../peers/', import.meta.url) // from bench/build/js/children

/** Imports a package of bench/peers. Its types may not be installed, so the caller gives those that it uses. */
export async function importPeer<T>(name: string): Promise<T> {
  const { importPeer } = (await import(new URL('import.mjs', folder).href)) as Importer
  return (await importPeer(name)) as T
}

/** Reads a file of an installed package of bench/peers. */
export function readPeerFile(path: string): string {
  return readFileSync(new URL(`node_modules/${path}`, folder), 'utf8')
}
