import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

/** The modules that a compiled module imports, directly or not. */
function importsOf(url: URL, seen = new Set<string>()): Set<string> {
  const statements = readFileSync(url, 'utf8').matchAll(
    /^(?:import |(?:import|export|\}).* from )['"]([^'"]+)['"];?$/gm,
  )
  for (const [, specifier = ''] of statements) {
    const target = specifier.startsWith('.') ? new URL(specifier, url) : undefined
    if (seen.has(target?.href ?? specifier)) continue
    seen.add(target?.href ?? specifier)
    if (target) importsOf(target, seen)
  }
  return seen
}

const packages = (entry: string) =>
  [...importsOf(new URL(`../../dist/${entry}`, import.meta.url))]
    .filter((name) => !/^(file|node):/.test(name))
    .sort()

test('the library itself imports no package; the worker imports those it needs', () => {
  expect(packages('index.js')).toEqual([])
  expect(packages('worker/index.js')).toEqual(['hono', 'prom-client'])
})
