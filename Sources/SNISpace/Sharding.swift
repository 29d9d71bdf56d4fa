public import NetworkTypes

/// How the space is cut and who has which part of it, as a document with a version: exported by a coordinator,
/// compared, and applied elsewhere. It tells the shuffle key only by a fingerprint.
public struct ShardingConfiguration: Hashable, Sendable, Codable {
    public struct Shard: Hashable, Sendable, Codable {
        public var application: ApplicationID
        /// Maximal aligned blocks, ascending.
        public var ranges: [SNIBlock]
        public init(application: ApplicationID, ranges: [SNIBlock]) {
            self.application = application
            self.ranges = ranges
        }
    }
    /// The highest document format that this program knows.
    public static let formatMax = 1

    public var format: Int
    /// Rises with every change; a document is applied only over a lower one.
    public var version: UInt64
    public var chunkOrder: Int
    public var keyFingerprint: UInt64
    public var blockSizes: ClosedRange<Int>
    public var thresholds: TemperatureThresholds
    /// Excluded for good, and on the way out.
    public var excluded: [SNIRange]
    public var excluding: [SNIRange]
    /// By application.
    public var shards: [Shard]

    public init(
        format: Int, version: UInt64, chunkOrder: Int, keyFingerprint: UInt64, blockSizes: ClosedRange<Int>,
        thresholds: TemperatureThresholds, excluded: [SNIRange], excluding: [SNIRange], shards: [Shard]
    ) {
        self.format = format
        self.version = version
        self.chunkOrder = chunkOrder
        self.keyFingerprint = keyFingerprint
        self.blockSizes = blockSizes
        self.thresholds = thresholds
        self.excluded = excluded
        self.excluding = excluding
        self.shards = shards
    }

    /// - Throws: `newerFormat` for a document that this program does not understand, `refused` for a format that never
    ///   was.
    public func checkFormat() throws(ShardingError) {
        guard format <= Self.formatMax else { throw .newerFormat(found: format, supported: Self.formatMax) }
        guard format > 0 else { throw .refused(.invalid(field: "format", why: "must be from 1 to \(Self.formatMax)")) }
    }
}

/// What differs between two sharding documents.
public struct ShardingDifference: Hashable, Sendable {
    public var from: UInt64
    public var to: UInt64
    /// Applications whose ranges differ, with what they have now; empty when they have nothing any more.
    public var shards: [ShardingConfiguration.Shard]
    public var excluded: [SNIRange]
    public var included: [SNIRange]
    public var thresholds: TemperatureThresholds?
    public init(
        from: UInt64, to: UInt64, shards: [ShardingConfiguration.Shard], excluded: [SNIRange], included: [SNIRange],
        thresholds: TemperatureThresholds?
    ) {
        self.from = from
        self.to = to
        self.shards = shards
        self.excluded = excluded
        self.included = included
        self.thresholds = thresholds
    }

    public var isEmpty: Bool { shards.isEmpty && excluded.isEmpty && included.isEmpty && thresholds == nil }
}

/// Why a sharding document is refused.
public enum ShardingError: Error, Hashable, Sendable {
    case newerFormat(found: Int, supported: Int)
    case stale(version: UInt64, inForce: UInt64)
    /// Chunk size, key, exclusions for good and block sizes are fixed for the life of a pool.
    case anotherPool(field: String)
    case refused(BookError)
}

extension Book {
    /// The document of this book.
    public func sharding(version: UInt64, thresholds: TemperatureThresholds = .standard) -> ShardingConfiguration {
        ShardingConfiguration(
            format: ShardingConfiguration.formatMax, version: version, chunkOrder: plan.chunkOrder,
            keyFingerprint: plan.key.fingerprint, blockSizes: SNIBlock.leasableSizes, thresholds: thresholds,
            excluded: plan.excluded, excluding: excluding,
            shards: applications.map { .init(application: $0, ranges: ranges(of: $0)) }.filter { !$0.ranges.isEmpty })
    }

    /// Events that bring what a document may change, the ranges on their way out of the pool, in line with it. Ranges
    /// of applications follow from reservations; a document never moves them.
    ///
    /// - Parameter inForce: the document that the book follows now.
    /// - Throws: `stale` unless the version rises, `newerFormat`, `anotherPool`, or `refused` with the book's reason.
    public func apply(
        _ document: ShardingConfiguration, over inForce: ShardingConfiguration
    ) throws(ShardingError) -> [BookEvent] {
        try document.checkFormat()
        guard document.version > inForce.version else {
            throw .stale(version: document.version, inForce: inForce.version)
        }
        guard document.chunkOrder == plan.chunkOrder else { throw .anotherPool(field: "chunk-size") }
        guard document.keyFingerprint == plan.key.fingerprint else { throw .anotherPool(field: "key") }
        guard document.excluded == plan.excluded else { throw .anotherPool(field: "excluded") }
        guard document.blockSizes == inForce.blockSizes else { throw .anotherPool(field: "block-sizes") }
        do throws(BookError) {
            guard document.version <= Self.counterMax else {
                throw .invalid(field: "version", why: "\(document.version) is beyond \(Self.counterMax)")
            }
            try document.thresholds.check()
            let sorted = document.excluding.sorted()
            for (range, next) in zip(sorted, sorted.dropFirst()) where range.overlaps(next) {
                throw .overlapping(range, next)
            }
            let wanted = PoolPlan.joined(document.excluding)
            let included = try include(Self.difference(excluding, wanted))
            return try included + exclude(Self.difference(wanted, excluding))
        } catch { throw .refused(error) }
    }

    /// What of some ranges others do not cover.
    static func difference(_ ranges: [SNIRange], _ others: [SNIRange]) -> [SNIRange] {
        others.reduce(ranges) { rest, other in rest.flatMap { $0.without(other) } }
    }
}

extension ShardingConfiguration {
    /// What changed since an earlier document.
    public func diff(from earlier: ShardingConfiguration) -> ShardingDifference {
        let before = Dictionary(earlier.shards.map { ($0.application, $0) }) { first, _ in first }
        let after = Set(shards.map(\.application))
        let gone = earlier.shards.filter { !after.contains($0.application) }
            .map { Shard(application: $0.application, ranges: []) }
        let changed = shards.filter { before[$0.application] != $0 } + gone
        return ShardingDifference(
            from: earlier.version, to: version, shards: changed.sorted { $0.application < $1.application },
            excluded: Book.difference(excluding, earlier.excluding),
            included: Book.difference(earlier.excluding, excluding),
            thresholds: thresholds == earlier.thresholds ? nil : thresholds)
    }
}

extension ShuffleKey {
    /// Tells keys apart without telling the key: SipHash under the key of a fixed message.
    public var fingerprint: UInt64 { sipHash(self, 0x4F54_522D_4B45_5931) }
}
