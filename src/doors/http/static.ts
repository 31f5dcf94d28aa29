// The page's files: read once at start from two folders, so that no request can name any other file.

import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { extname, join } from 'node:path'
import { PolityError } from '../../kernel/errors.ts'
import { once } from '../../kit/once.ts'
import type { HttpAnswer, HttpRequest, Route } from './route.ts'

const JAVASCRIPT = 'text/javascript; charset=utf-8'
const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': JAVASCRIPT,
  '.ts': JAVASCRIPT,
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
}

/** What the page imports from here; compiled, where Polity is installed. */
const TELLING_DIR = join(import.meta.dirname, '../telling')
/** Where a browser looks for what a file of the page imports from `../src/doors/telling`. */
const TELLING_PATH = '/src/doors/telling'

interface Asset {
  readonly path: string
  readonly mediaType: string
  readonly content: () => Content
}

interface Content {
  readonly bytes: Uint8Array
  readonly etag: string
}

/**
 * A route per file that lies directly in the folder, and for the words that it takes from `doors/telling`;
 * index.html is also `/`. A script is served without its types, as x.ts and as x.js. Throws `usage` when the
 * folder cannot be read.
 */
export function pageRoutes(webDir: string): Route[] {
  const assets = [...load(webDir, ''), ...load(TELLING_DIR, TELLING_PATH)]
  const routes = assets.map(assetRoute)
  return assets.some(({ path }) => path === '/favicon.ico') ? routes : [...routes, noIcon]
}

function load(dir: string, under: string): Asset[] {
  let names: readonly string[]
  try {
    names = readdirSync(dir, { withFileTypes: true }).flatMap((each) => (each.isFile() ? [each.name] : []))
  } catch (error) {
    throw new PolityError(
      'usage',
      `the page's folder cannot be read: ${(error as Error).message}`,
      { dir },
      error,
    )
  }
  const served = names.filter(
    (name) => extname(name) in MEDIA_TYPES && !/\.(?:test|d)\.ts$/.test(name) && !name.startsWith('.'),
  )
  return served
    .flatMap((name) => assetsOf(name, readFileSync(join(dir, name)), names))
    .map((asset) => ({ ...asset, path: `${under}${asset.path}` }))
}

function assetsOf(name: string, bytes: Buffer, names: readonly string[]): Asset[] {
  const asset: Asset = {
    path: `/${encodeURIComponent(name)}`,
    mediaType: MEDIA_TYPES[extname(name)] ?? '',
    // Taking the types out of scripts takes longer than opening the door.
    content: once(() => contentOf(extname(name) === '.ts' ? stripped(bytes) : bytes)),
  }
  if (name === 'index.html') return [asset, { ...asset, path: '/' }]
  const otherEnd = OTHER_END[extname(name)]
  if (otherEnd === undefined) return [asset]
  const otherName = name.slice(0, -otherEnd.length) + otherEnd
  return names.includes(otherName)
    ? [asset]
    : [asset, { ...asset, path: `/${encodeURIComponent(otherName)}` }]
}

const OTHER_END: Readonly<Record<string, string>> = { '.ts': '.js', '.js': '.ts' }

const stripped = (bytes: Buffer): Buffer =>
  Buffer.from(stripTypeScriptTypes(bytes.toString(), { mode: 'strip' }))

const contentOf = (bytes: Uint8Array): Content => ({
  bytes,
  etag: `"${hash('sha256', bytes, 'hex').slice(0, 32)}"`,
})

function assetRoute({ path, mediaType, content }: Asset): Route {
  return {
    method: 'GET',
    path,
    class: 'page',
    access: 'open',
    handle: (request) => {
      const { bytes, etag } = content()
      const headers = { 'content-type': mediaType, 'cache-control': 'no-cache', etag }
      return has(request, etag) ? { status: 304, headers } : { status: 200, headers, body: bytes }
    },
  }
}

const has = ({ headers }: HttpRequest, etag: string): boolean =>
  (headers['if-none-match'] ?? '').split(',').some((each) => each.trim().replace(/^W\//, '') === etag)

/** Browsers ask for it whether or not there is one. */
const noIcon: Route = {
  method: 'GET',
  path: '/favicon.ico',
  class: 'page',
  access: 'open',
  handle: (): HttpAnswer => ({ status: 204, headers: { 'cache-control': 'max-age=86400' } }),
}
