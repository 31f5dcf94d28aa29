// The page's files: read once at start from one folder, so that no request can name any other file.

import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { extname, join } from 'node:path'
import { PolityError } from '../../kernel/errors.ts'
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

interface Asset {
  readonly path: string
  readonly mediaType: string
  readonly bytes: Uint8Array
}

/**
 * A route per file that lies directly in the folder; index.html is also `/`. TypeScript is served
 * without its types, as x.ts and as x.js. Throws `usage` when the folder cannot be read.
 */
export function pageRoutes(webDir: string): Route[] {
  const assets = load(webDir)
  const routes = assets.map(assetRoute)
  return assets.some(({ path }) => path === '/favicon.ico') ? routes : [...routes, noIcon]
}

function load(webDir: string): Asset[] {
  let names: readonly string[]
  try {
    names = readdirSync(webDir, { withFileTypes: true }).flatMap((each) => (each.isFile() ? [each.name] : []))
  } catch (error) {
    throw new PolityError(
      'usage',
      `the page's folder cannot be read: ${(error as Error).message}`,
      { webDir },
      error,
    )
  }
  const served = names.filter(
    (name) => extname(name) in MEDIA_TYPES && !/\.(?:test|d)\.ts$/.test(name) && !name.startsWith('.'),
  )
  return served.flatMap((name) => assetsOf(name, readFileSync(join(webDir, name)), names))
}

function assetsOf(name: string, bytes: Buffer, names: readonly string[]): Asset[] {
  const asset: Asset = {
    path: `/${encodeURIComponent(name)}`,
    mediaType: MEDIA_TYPES[extname(name)] ?? '',
    bytes,
  }
  if (name === 'index.html') return [asset, { ...asset, path: '/' }]
  if (extname(name) !== '.ts') return [asset]
  const stripped = { ...asset, bytes: Buffer.from(stripTypeScriptTypes(bytes.toString(), { mode: 'strip' })) }
  const asJavaScript = name.replace(/\.ts$/, '.js')
  return names.includes(asJavaScript)
    ? [stripped]
    : [stripped, { ...stripped, path: `/${encodeURIComponent(asJavaScript)}` }]
}

function assetRoute({ path, mediaType, bytes }: Asset): Route {
  const etag = `"${hash('sha256', bytes, 'hex').slice(0, 32)}"`
  const headers = { 'content-type': mediaType, 'cache-control': 'no-cache', etag }
  return {
    method: 'GET',
    path,
    class: 'page',
    access: 'open',
    handle: (request) =>
      has(request, etag) ? { status: 304, headers } : { status: 200, headers, body: bytes },
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
