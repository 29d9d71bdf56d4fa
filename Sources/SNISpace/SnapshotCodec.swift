import NetworkTypes

/// The durable form of a snapshot: a header, then sections, each with its length and checksum. A flipped bit anywhere
/// is found before anything is believed.
extension BookSnapshot {
    private static let magic: [UInt8] = Array("OTRBOOK\n".utf8)
    /// Rises when a reader of today could not read what is written, or would read something else.
    static let version: UInt32 = 1
    /// The first version that is still read.
    static let versionMin: UInt32 = 1
    private static let sections = ["pool", "applications", "claims", "leases", "sub-leases", "history"]

    public func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.append(Self.magic)
        writer.put(Self.version)
        writer.put(UInt32(Self.sections.count))
        writer.put(xxHash64(writer.bytes[...]))
        for payload in [poolSection, applicationSection, claimSection, Self.section(of: leases)] {
            Self.append(payload, to: &writer)
        }
        Self.append(Self.section(of: subleases), to: &writer)
        Self.append(historySection, to: &writer)
        return writer.bytes
    }

    private static func append(_ payload: ByteWriter, to writer: inout ByteWriter) {
        var length = ByteWriter()
        length.put(UInt64(payload.bytes.count))
        writer.append(length.bytes)
        // Of the length too, so that a wrong one is damage and not an odd section.
        writer.put(xxHash64(length.bytes[...]) ^ xxHash64(payload.bytes[...]))
        writer.append(payload.bytes)
    }

    private var poolSection: ByteWriter {
        var writer = ByteWriter()
        writer.put(plan)
        writer.put(excluding) { $0.put($1) }
        writer.put(epoch.rawValue)
        return writer
    }

    private var applicationSection: ByteWriter {
        var writer = ByteWriter()
        writer.put(chunks) { writer, chunk in
            writer.put(UInt32(chunk.index))
            writer.put(chunk.home)
            writer.put(chunk.isHot)
        }
        writer.put(quotas) { writer, quota in
            writer.put(quota.application)
            writer.put(UInt32(quota.cap))
            writer.put(UInt32(quota.floor))
            writer.put(quota.rank.rawValue)
        }
        writer.put(retired) { $0.put($1) }
        return writer
    }

    private var claimSection: ByteWriter {
        var writer = ByteWriter()
        writer.put(holdings) { writer, holding in
            writer.put(holding.reservation)
            writer.put(holding.pieces) { $0.put($1) }
        }
        return writer
    }

    /// Names stand once, before the leases that they belong to.
    private static func section(of leases: [BlockLease]) -> ByteWriter {
        var applications = NameTable<ApplicationID>()
        var hosts = NameTable<HostID>()
        var reasons = NameTable<String>()
        var body = ByteWriter()
        body.put(leases) { writer, lease in
            writer.put(lease.block)
            writer.put(applications.number(of: lease.application))
            writer.put(hosts.number(of: lease.host))
            writer.put(reasons.number(of: lease.reason))
            writer.putRest(of: lease)
        }
        var writer = ByteWriter()
        writer.put(applications.names) { $0.put($1) }
        writer.put(hosts.names) { $0.put($1.name) }
        writer.put(reasons.names) { $0.put($1) }
        writer.append(body.bytes)
        return writer
    }

    private var historySection: ByteWriter {
        var writer = ByteWriter()
        writer.put(answers) { $0.put($1) }
        writer.put(reclaimed) { $0.put($1) }
        writer.put(reclaimedLast)
        return writer
    }

    // MARK: Reading

    /// - Throws: `foreign`, `newerVersion`, `olderVersion`, `truncated`, `damaged`, `malformed` or `trailing`; see ``CodecError``.
    public init(decoding bytes: [UInt8]) throws(CodecError) {
        let payloads = try Self.payloads(of: bytes)
        var pool = ByteReader(payloads[0], section: Self.sections[0])
        plan = try pool.plan()
        excluding = try pool.list(least: 8) { (reader: inout ByteReader) throws(CodecError) in try reader.range() }
        epoch = try pool.epoch()
        try pool.finish()
        var applications = ByteReader(payloads[1], section: Self.sections[1])
        chunks = try applications.list(least: 21) { (reader: inout ByteReader) throws(CodecError) in
            OpenChunk(
                index: Int(try reader.get(UInt32.self)), home: ApplicationID(try reader.uuid()),
                isHot: try reader.flag())
        }
        quotas = try applications.list(least: 25) { (reader: inout ByteReader) throws(CodecError) in
            Quota(
                application: ApplicationID(try reader.uuid()), cap: Int(try reader.get(UInt32.self)),
                floor: Int(try reader.get(UInt32.self)), rank: ClassRank(rawValue: try reader.get()))
        }
        retired = try applications.list(least: 16) { (reader: inout ByteReader) throws(CodecError) in
            ApplicationID(try reader.uuid())
        }
        try applications.finish()
        var claims = ByteReader(payloads[2], section: Self.sections[2])
        holdings = try claims.list(least: 62) { (reader: inout ByteReader) throws(CodecError) in
            Holding(
                reservation: try reader.reservation(),
                pieces: try reader.list(least: 4) { (reader: inout ByteReader) throws(CodecError) in
                    try reader.block()
                })
        }
        try claims.finish()
        leases = try Self.leases(in: payloads[3], section: Self.sections[3])
        subleases = try Self.leases(in: payloads[4], section: Self.sections[4])
        var history = ByteReader(payloads[5], section: Self.sections[5])
        answers = try history.list(least: 62) { (reader: inout ByteReader) throws(CodecError) in
            try reader.reservation()
        }
        reclaimed = try history.list(least: 36) { (reader: inout ByteReader) throws(CodecError) in
            try reader.reclaimed()
        }
        reclaimedLast = try history.get()
        try history.finish()
    }

    private static func payloads(of bytes: [UInt8]) throws(CodecError) -> [ArraySlice<UInt8>] {
        var reader = ByteReader(bytes[...], section: "header")
        guard try reader.take(magic.count).elementsEqual(magic) else { throw .foreign }
        let version: UInt32 = try reader.get()
        let count: UInt32 = try reader.get()
        let found = xxHash64(bytes[..<reader.cursor])
        let expected: UInt64 = try reader.get()
        guard found == expected else { throw .damaged(section: "header", expected: expected, found: found) }
        guard version <= Self.version else { throw .newerVersion(found: version, supported: Self.version) }
        guard version >= Self.versionMin else { throw .olderVersion(found: version, supported: Self.version) }
        guard count == sections.count else { throw reader.malformed("\(count) sections") }
        var payloads: [ArraySlice<UInt8>] = []
        for section in sections {
            let length = try reader.take(8)
            var number = ByteReader(length, section: section)
            let size: UInt64 = try number.get()
            let expected: UInt64 = try reader.get()
            guard size <= UInt64(reader.left) else { throw .truncated(at: reader.cursor) }
            let payload = try reader.take(Int(size))
            let found = xxHash64(length) ^ xxHash64(payload)
            guard found == expected else { throw .damaged(section: section, expected: expected, found: found) }
            payloads.append(payload)
        }
        guard reader.left == 0 else { throw .trailing(count: reader.left) }
        return payloads
    }

    private static func leases(
        in payload: ArraySlice<UInt8>, section: String
    ) throws(CodecError) -> [BlockLease] {
        var reader = ByteReader(payload, section: section)
        let applications = try reader.list(least: 16) { (reader: inout ByteReader) throws(CodecError) in
            ApplicationID(try reader.uuid())
        }
        let hosts = try reader.list(least: 4) { (reader: inout ByteReader) throws(CodecError) in try reader.host() }
        let reasons = try reader.list(least: 4) { (reader: inout ByteReader) throws(CodecError) in try reader.text() }
        let leases = try reader.list(least: 34) { (reader: inout ByteReader) throws(CodecError) -> BlockLease in
            let block = try reader.block()
            let application = Int(try reader.get(UInt32.self))
            let host = Int(try reader.get(UInt32.self))
            let reason = Int(try reader.get(UInt32.self))
            guard application < applications.count, host < hosts.count, reason < reasons.count else {
                throw reader.malformed("\(block) names what is in no table")
            }
            return try reader.lease(block, applications[application], hosts[host], reasons[reason])
        }
        try reader.finish()
        return leases
    }
}

/// Numbers for names, in the order in which they were met.
private struct NameTable<Name: Hashable> {
    private var numbers: [Name: UInt32] = [:]
    private(set) var names: [Name] = []

    mutating func number(of name: Name) -> UInt32 {
        if let number = numbers[name] { return number }
        let number = UInt32(names.count)
        numbers[name] = number
        names.append(name)
        return number
    }
}
