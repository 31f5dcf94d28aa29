// RFC 3161 timestamps: the request for one, and the check that an authority of our choice vouches for a digest and a time.

import { Buffer } from 'node:buffer'
import { hash, type KeyObject, verify, type X509Certificate } from 'node:crypto'
import { certificateOf, chainTo, isIssuedAs, requireStampingPurpose } from './authority.ts'
import {
  childrenOf,
  context,
  type DerNode,
  derInteger,
  derOf,
  expectTag,
  malformed,
  readDer,
  readOid,
  readTimeMs,
  TAG,
} from './der.ts'

/** A reply is a few kilobytes; certificates make the most of it. */
export const TIMESTAMP_MAX_BYTES = 64 * 1024
const CERTIFICATES_MAX = 10
const DIGEST_BYTES = 32

const OID = {
  sha256: Buffer.from('0609608648016503040201', 'hex'),
  signedData: '1.2.840.113549.1.7.2',
  tstInfo: '1.2.840.113549.1.9.16.1.4',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingCertificate: '1.2.840.113549.1.9.16.2.12',
  signingCertificateV2: '1.2.840.113549.1.9.16.2.47',
} as const

const SHA_256 = '2.16.840.1.101.3.4.2.1'
/** SHA-1 and older are no evidence any more. */
const DIGESTS: ReadonlyMap<string, string> = new Map([
  [SHA_256, 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
])

/** Signature algorithm -> type of key, and the digest where the algorithm fixes one (RFC 5754, RFC 8419). */
const SIGNATURES: ReadonlyMap<string, { readonly key: string; readonly digest?: string | null }> = new Map([
  ['1.2.840.113549.1.1.1', { key: 'rsa' }],
  ['1.2.840.113549.1.1.11', { key: 'rsa', digest: 'sha256' }],
  ['1.2.840.113549.1.1.12', { key: 'rsa', digest: 'sha384' }],
  ['1.2.840.113549.1.1.13', { key: 'rsa', digest: 'sha512' }],
  ['1.2.840.10045.4.3.2', { key: 'ec', digest: 'sha256' }],
  ['1.2.840.10045.4.3.3', { key: 'ec', digest: 'sha384' }],
  ['1.2.840.10045.4.3.4', { key: 'ec', digest: 'sha512' }],
  ['1.3.101.112', { key: 'ed25519', digest: null }],
])

/** What is stamped of a checkpoint: its text (log, size, root). Signatures may still be added to the note. */
export const stampedDigest = (text: string): Buffer => hash('sha256', text, 'buffer')

/** A TimeStampReq (section 2.4.1) for a SHA-256 digest; it asks for the authority's certificate. */
export function timestampRequest(digest: Uint8Array, nonce: Uint8Array): Buffer {
  if (digest.length !== DIGEST_BYTES) throw new TypeError('a SHA-256 digest has 32 bytes')
  const imprint = derOf(
    TAG.sequence,
    derOf(TAG.sequence, OID.sha256, derOf(TAG.null)),
    derOf(TAG.octetString, digest),
  )
  const certReq = derOf(TAG.boolean, Uint8Array.of(0xff))
  return derOf(TAG.sequence, derInteger(Uint8Array.of(1)), imprint, derInteger(nonce), certReq)
}

export interface TimestampTrust {
  /**
   * Certificates of authorities, or of those who certify them. Without them the timestamp is only held against
   * the certificate that came with it, and `isPinned` is false.
   */
  readonly trusted?: readonly X509Certificate[]
  /** The nonce of the request; absent when it is long forgotten. */
  readonly nonce?: Uint8Array
}

export interface VerifiedTimestamp {
  /** RFC 3339, UTC: the digest existed then, says the authority. */
  readonly time: string
  /** Subject of its certificate, on one line. */
  readonly authority: string
  readonly isPinned: boolean
}

/**
 * Checks a TimeStampResp (DER): granted; a CMS SignedData (RFC 5652) over a TSTInfo with this SHA-256 digest and
 * nonce; signed by the certificate that the signed attributes name (ESSCertID, RFC 2634 and RFC 5816), whose one
 * critical purpose is timestamping; and that certificate valid at the stated time and, with `trusted`, one of them
 * or certified by one. Revocation is not asked for. Throws `timestamp.invalid`.
 */
export function verifyTimestamp(
  der: Uint8Array,
  digest: Uint8Array,
  { trusted, nonce }: TimestampTrust = {},
): VerifiedTimestamp {
  const { content, certificates, signer } = readSignedData(readToken(der))
  const { imprint, nonce: answered, timeMs } = readInfo(content)
  if (!imprint.equals(Buffer.from(digest))) throw malformed('it is about something else')
  if (nonce !== undefined && !answered?.equals(derInteger(nonce)))
    throw malformed('it answers another request (nonce)')
  const certificate = certificateOfSigner(signer.sid, [...certificates, ...(trusted ?? [])])
  checkAttributes(signer.attributes, content, signer.digest, certificate)
  checkSignature(signer, certificate.publicKey)
  requireStampingPurpose(certificate)
  chainTo(certificate, { trusted, intermediates: certificates, timeMs })
  return {
    time: new Date(timeMs).toISOString(),
    authority: certificate.subject.split('\n').join(', '),
    isPinned: trusted !== undefined,
  }
}

/** TimeStampResp -> SignedData. */
function readToken(der: Uint8Array): DerNode {
  if (der.length > TIMESTAMP_MAX_BYTES) throw malformed(`it has over ${TIMESTAMP_MAX_BYTES} bytes`)
  const [info, token] = childrenOf(expectTag(readDer(der), TAG.sequence, 'the response'))
  const [status] = childrenOf(expectTag(info, TAG.sequence, 'the status'))
  const granted = expectTag(status, TAG.integer, 'the status').value
  // PKIStatus granted (0) or grantedWithMods (1).
  if (granted.length !== 1 || (granted[0] ?? 2) > 1) throw malformed('the authority refused')
  const [type, content] = childrenOf(expectTag(token, TAG.sequence, 'the token'))
  if (readOid(type, 'the type of the token') !== OID.signedData) throw malformed('the token is not signed')
  const [signedData] = childrenOf(expectTag(content, context(0), 'the signed data'))
  return expectTag(signedData, TAG.sequence, 'the signed data')
}

interface SignerInfo {
  /** IssuerAndSerialNumber. */
  readonly sid: DerNode
  readonly digest: string
  readonly attributes: DerNode
  readonly algorithm: string
  readonly signature: Buffer
}

interface SignedData {
  /** TSTInfo, DER. */
  readonly content: Buffer
  readonly certificates: readonly X509Certificate[]
  readonly signer: SignerInfo
}

function readSignedData(node: DerNode): SignedData {
  const [, , encapsulated, ...rest] = childrenOf(node)
  const [type, wrapped] = childrenOf(expectTag(encapsulated, TAG.sequence, 'the content'))
  if (readOid(type, 'the type of the content') !== OID.tstInfo) throw malformed('the content is no timestamp')
  const [octets] = childrenOf(expectTag(wrapped, context(0), 'the content'))
  const bag = rest.find(({ tag }) => tag === context(0))
  const encoded = bag === undefined ? [] : childrenOf(bag)
  if (encoded.length > CERTIFICATES_MAX) throw malformed('it carries too many certificates')
  // RFC 3161 section 2.4.2: the only signature is that of the authority.
  const signers = childrenOf(expectTag(rest.at(-1), TAG.set, 'the signers'))
  if (signers.length !== 1) throw malformed('it has not exactly one signer')
  return {
    content: expectTag(octets, TAG.octetString, 'the content').value,
    certificates: encoded.map(({ raw }) => certificateOf(raw)),
    signer: readSigner(expectTag(signers[0], TAG.sequence, 'the signer')),
  }
}

function readSigner(node: DerNode): SignerInfo {
  const [, sid, digest, attributes, algorithm, signature] = childrenOf(node)
  return {
    sid: expectTag(sid, TAG.sequence, 'the issuer and serial number of the signer'),
    digest: digestOf(digest),
    attributes: expectTag(attributes, context(0), 'the signed attributes'),
    algorithm: readOid(
      childrenOf(expectTag(algorithm, TAG.sequence, 'the signature algorithm'))[0],
      'the signature algorithm',
    ),
    signature: expectTag(signature, TAG.octetString, 'the signature').value,
  }
}

function digestOf(algorithm: DerNode | undefined): string {
  const [oid] = childrenOf(expectTag(algorithm, TAG.sequence, 'the digest algorithm'))
  const name = DIGESTS.get(readOid(oid, 'the digest algorithm'))
  if (name === undefined) throw malformed('its digest is not SHA-256, SHA-384 or SHA-512')
  return name
}

/** TSTInfo (section 2.4.2). */
function readInfo(content: Buffer) {
  const [version, , imprint, , time, ...optional] = childrenOf(
    expectTag(readDer(content), TAG.sequence, 'the content'),
  )
  if (!expectTag(version, TAG.integer, 'the version').value.equals(Uint8Array.of(1)))
    throw malformed('its version is not 1')
  const [algorithm, hashed] = childrenOf(expectTag(imprint, TAG.sequence, 'the imprint'))
  if (digestOf(algorithm) !== 'sha256') throw malformed('its imprint is not SHA-256')
  return {
    imprint: expectTag(hashed, TAG.octetString, 'the imprint').value,
    timeMs: readTimeMs(time),
    nonce: optional.find(({ tag }) => tag === TAG.integer)?.raw,
  }
}

function certificateOfSigner(sid: DerNode, certificates: readonly X509Certificate[]): X509Certificate {
  const [issuer, serial] = childrenOf(sid)
  const found = certificates.find((each) => isIssuedAs(each, issuer, serial))
  if (found === undefined)
    throw malformed("the signer's certificate is neither in it nor among the trusted ones")
  return found
}

/** RFC 5652 section 11, RFC 5035 section 3: what is signed is this content, by this certificate. */
function checkAttributes(
  attributes: DerNode,
  content: Buffer,
  digest: string,
  certificate: X509Certificate,
): void {
  const values = new Map<string, DerNode>()
  for (const attribute of childrenOf(attributes)) {
    const [type, set] = childrenOf(attribute)
    const [value, ...more] = childrenOf(expectTag(set, TAG.set, 'a signed attribute'))
    const oid = readOid(type, 'a signed attribute')
    if (value === undefined || more.length > 0 || values.has(oid))
      throw malformed('a signed attribute has not exactly one value')
    values.set(oid, value)
  }
  if (readOid(values.get(OID.contentType), 'the signed content type') !== OID.tstInfo)
    throw malformed('what is signed is no timestamp')
  const signed = expectTag(values.get(OID.messageDigest), TAG.octetString, 'the signed digest').value
  if (!signed.equals(hash(digest, content, 'buffer'))) throw malformed('what is signed is something else')
  const v2 = values.get(OID.signingCertificateV2)
  checkNamedCertificate(v2 ?? values.get(OID.signingCertificate), v2 !== undefined, certificate)
}

/** SigningCertificate or SigningCertificateV2: the first one named is the signer's. */
function checkNamedCertificate(
  node: DerNode | undefined,
  isV2: boolean,
  { raw }: Pick<X509Certificate, 'raw'>,
): void {
  const [ids] = childrenOf(expectTag(node, TAG.sequence, "the name of the signer's certificate"))
  const [id] = childrenOf(expectTag(ids, TAG.sequence, "the name of the signer's certificate"))
  const parts = childrenOf(expectTag(id, TAG.sequence, "the name of the signer's certificate"))
  // ESSCertIDv2.hashAlgorithm DEFAULT sha256.
  const isExplicit = isV2 && parts[0]?.tag === TAG.sequence
  const digest = isExplicit ? digestOf(parts[0]) : isV2 ? 'sha256' : 'sha1'
  const named = expectTag(parts[isExplicit ? 1 : 0], TAG.octetString, 'the digest of a certificate').value
  if (!named.equals(hash(digest, raw, 'buffer')))
    throw malformed('another certificate signed it than it names')
}

function checkSignature({ attributes, digest, algorithm, signature }: SignerInfo, key: KeyObject): void {
  const known = SIGNATURES.get(algorithm)
  if (known === undefined || known.key !== key.asymmetricKeyType)
    throw malformed(`its signature algorithm ${algorithm} is not supported or not that of the key`)
  // RFC 5652 section 5.4: what is signed is the SET OF, not the [0] that stands in its place.
  const signed = Buffer.from(attributes.raw)
  signed[0] = TAG.set
  const { digest: fixed = digest } = known
  if (!verify(fixed, signed, key, signature)) throw malformed('its signature does not fit')
}
