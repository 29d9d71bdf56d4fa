/// What is kept of every application's past.
public enum HistoryMeasure: Int, Hashable, Sendable, CaseIterable {
    /// VMs present.
    case vms
    case launches
    /// CPU time, milliseconds.
    case cpu
    /// Bytes.
    case memory
    /// Bytes received and sent by the VMs' ports.
    case received, sent
    /// Bytes exchanged between VMs, counted at their source.
    case peers

    /// A level has a mean over time, what is added has a sum.
    var isLevel: Bool { self == .vms || self == .memory }
}

/// How finely the past is kept: at an aggregate interval of ten seconds ten seconds, five minutes, an hour.
public enum HistoryResolution: Int, Hashable, Sendable, CaseIterable {
    case fine, middle, coarse

    /// Aggregate intervals of one value.
    public var slots: Int {
        switch self {
        case .fine: 1
        case .middle: 30
        case .coarse: 360
        }
    }
    /// Values kept: half an hour, a day, two weeks.
    public var capacity: Int {
        switch self {
        case .fine: 180
        case .middle: 288
        case .coarse: 336
        }
    }
    var offset: Int {
        switch self {
        case .fine: 0
        case .middle: 180
        case .coarse: 468
        }
    }
    static let total = 804
    /// What values of this resolution are made of.
    var finer: HistoryResolution? { HistoryResolution(rawValue: rawValue - 1) }
}

/// Past of one application at three resolutions, each a ring of fixed length.
///
/// A coarser value is a function of the finer ones under it: the mean of what is known of a level, the sum of what is
/// added filled up for what is unknown; unknown itself when less than half is known. So a sample that comes late changes
/// what it belongs to, as long as the finer ring still holds all of that. Unknown is not zero.
///
/// 1,608 bytes for each measure that was ever known: 11,256 for all seven.
public struct ApplicationHistory: Hashable, Sendable {
    /// Newest slot that was told of, known or not; negative before the first.
    public private(set) var newest = -1
    /// By measure; empty until something is known of it.
    private var rings: [[UInt16]] = Array(repeating: [], count: HistoryMeasure.allCases.count)

    public init() {}

    /// Bytes of the rings.
    public var byteCount: Int { rings.reduce(0) { $0 + $1.count * MemoryLayout<UInt16>.size } }

    // MARK: Writing

    /// What became of a sample.
    public enum Outcome: String, Hashable, Sendable, CaseIterable { case taken, duplicate, late }

    /// One slot; measures that are not known are left out, slots in between that nobody told of are unknown.
    @discardableResult
    public mutating func record(_ values: [HistoryMeasure: UInt64], at slot: Int) -> Outcome {
        guard slot >= 0, newest - slot < HistoryResolution.fine.capacity else { return .late }
        if slot > newest { skip(to: slot) }
        guard value(.vms, .fine, slot) == nil else { return .duplicate }
        for (measure, value) in values {
            if rings[measure.rawValue].isEmpty {
                rings[measure.rawValue] = Array(
                    repeating: HistoryValue.unknown.code, count: HistoryResolution.total)
            }
            set(measure, .fine, slot, value)
        }
        for resolution in [HistoryResolution.middle, .coarse] { fold(resolution, slot / resolution.slots) }
        return .taken
    }

    /// Slots up to this one are unknown.
    public mutating func skip(to slot: Int) {
        guard slot > newest else { return }
        // What was under way ends as it is, before the finer ring moves over it.
        for resolution in [HistoryResolution.middle, .coarse] where newest >= 0 {
            let last = newest / resolution.slots
            if last > Self.newest(resolution, newest), slot / resolution.slots > last {
                fold(resolution, last, isOver: true)
            }
        }
        for resolution in HistoryResolution.allCases {
            let next = slot / resolution.slots
            let first = max(newest < 0 ? 0 : newest / resolution.slots + 1, next - resolution.capacity + 1)
            guard first <= next else { continue }
            for bucket in first...next {
                for measure in HistoryMeasure.allCases { set(measure, resolution, bucket, nil) }
            }
        }
        newest = slot
    }

    /// The newest value that is over; the fine ones are over at once.
    private static func newest(_ resolution: HistoryResolution, _ slot: Int) -> Int {
        (slot + 1) / resolution.slots - 1
    }

    private mutating func fold(_ resolution: HistoryResolution, _ bucket: Int, isOver: Bool = false) {
        guard let finer = resolution.finer, isOver || bucket <= Self.newest(resolution, newest) else { return }
        let count = resolution.slots / finer.slots
        let parts = bucket * count..<(bucket + 1) * count
        // The ring has moved over the beginning: what was folded before stands.
        guard parts.lowerBound > newest / finer.slots - finer.capacity else { return }
        for measure in HistoryMeasure.allCases where !rings[measure.rawValue].isEmpty {
            let known = parts.compactMap { value(measure, finer, $0) }
            guard 2 * known.count >= count, !known.isEmpty else {
                set(measure, resolution, bucket, nil)
                continue
            }
            let sum = known.reduce(0.0) { $0 + Double($1) }
            let mean = sum / Double(known.count)
            let folded = measure.isLevel ? mean : mean * Double(count)
            set(measure, resolution, bucket, folded < 0x1p63 ? UInt64(folded.rounded()) : 1 << 63)
        }
    }

    private mutating func set(
        _ measure: HistoryMeasure, _ resolution: HistoryResolution, _ bucket: Int, _ value: UInt64?
    ) {
        guard !rings[measure.rawValue].isEmpty else { return }
        rings[measure.rawValue][resolution.offset + bucket % resolution.capacity] = HistoryValue(value).code
    }

    // MARK: Reading

    private func value(_ measure: HistoryMeasure, _ resolution: HistoryResolution, _ bucket: Int) -> UInt64? {
        let ring = rings[measure.rawValue]
        guard !ring.isEmpty, bucket >= 0, bucket <= newest / resolution.slots,
            bucket > newest / resolution.slots - resolution.capacity
        else { return nil }
        return HistoryValue(code: ring[resolution.offset + bucket % resolution.capacity]).value
    }

    /// Values that are over, oldest first; nil where unknown. The last one ends with ``end(_:)``.
    public func values(_ measure: HistoryMeasure, _ resolution: HistoryResolution, last count: Int = .max) -> [UInt64?]
    {
        let end = Self.newest(resolution, newest)
        let first = max(0, end - min(count, resolution.capacity) + 1)
        guard newest >= 0, first <= end else { return [] }
        return (first...end).map { value(measure, resolution, $0) }
    }

    /// The first slot after the last value that is over.
    public func end(_ resolution: HistoryResolution) -> Int { (Self.newest(resolution, newest) + 1) * resolution.slots }

    // MARK: Persisting

    private static let version: UInt8 = 1

    /// Version, newest slot, and for each measure whether it has a ring, and the ring; little-endian. Unknown values are
    /// zeros, which what packs snapshots takes out.
    public func encoded() -> [UInt8] {
        var bytes = [Self.version]
        for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: newest >> shift)) }
        for ring in rings {
            bytes.append(ring.isEmpty ? 0 : 1)
            for code in ring {
                bytes.append(UInt8(truncatingIfNeeded: ~code))
                bytes.append(UInt8(truncatingIfNeeded: ~code >> 8))
            }
        }
        return bytes
    }

    /// Nil for bytes of another version or length.
    public init?(encoded bytes: [UInt8]) {
        guard bytes.count >= 9 + HistoryMeasure.allCases.count, bytes[0] == Self.version else { return nil }
        newest = (0..<8).reduce(0) { $0 | Int(bytes[1 + $1]) << (8 * $1) }
        guard newest >= -1 else { return nil }
        var place = 9
        for measure in HistoryMeasure.allCases {
            guard place < bytes.count else { return nil }
            let isKept = bytes[place] == 1
            place += 1
            guard isKept else { continue }
            guard place + 2 * HistoryResolution.total <= bytes.count else { return nil }
            rings[measure.rawValue] = (0..<HistoryResolution.total).map {
                ~(UInt16(bytes[place + 2 * $0]) | UInt16(bytes[place + 2 * $0 + 1]) << 8)
            }
            place += 2 * HistoryResolution.total
        }
        guard place == bytes.count else { return nil }
    }
}
