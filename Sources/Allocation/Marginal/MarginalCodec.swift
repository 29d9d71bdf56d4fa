import Forecasting

/// Why persisted state of the rule was not taken.
public enum MarginalStateError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Written by another version of this library.
    case version(UInt8)
    /// Shorter or longer than such a state is.
    case length(Int)
    /// The checksum is wrong.
    case corrupt
    /// Nothing that was ever seen leads there: what holds no such value.
    case impossible(String)
    /// Learnt with ticks of other slots.
    case otherTicks

    public var description: String {
        switch self {
        case .version(let version): "state of the rule is of version \(version)"
        case .length(let count): "\(count) bytes are no state of the rule"
        case .corrupt: "state of the rule is damaged"
        case .impossible(let part): "state of the rule: \(part) holds what cannot be"
        case .otherTicks: "state of the rule was learnt with ticks of another length"
        }
    }
}

/// State as bytes, little-endian: version, settings, fields in order, checksum. What is restored decides the same for ever.
extension MarginalAllocator {
    private static let version: UInt8 = 1

    public func encoded() -> [UInt8] {
        var copy = self
        var writer = StateWriter()
        var version = Self.version
        writer.code(&version)
        copy.write(&writer)
        writer.finish()
        return writer.bytes
    }

    /// - Throws: ``MarginalStateError``; no bytes are taken that ``encoded()`` would not write.
    public init(encoded bytes: [UInt8]) throws(MarginalStateError) {
        var reader = try MarginalBounds.reader(of: bytes, version: Self.version)
        try self.init(reading: &reader)
        guard reader.isAtEnd else { throw .length(bytes.count) }
        guard encoded() == bytes else { throw .corrupt }
    }

    mutating func write(_ coder: inout some StateCoder) {
        var (tick, lead) = (settings.tick, settings.lead)
        coder.code(&tick)
        coder.code(&lead)
        code(&coder)
    }

    init(reading reader: inout StateReader) throws(MarginalStateError) {
        var (tick, lead) = (0.0, 0.0)
        reader.code(&tick)
        reader.code(&lead)
        guard let settings = try? MarginalSettings(tick: tick, lead: lead) else { throw .impossible("settings") }
        self.init(settings: settings)
        code(&reader)
        guard 0...Float(settings.tick) ~= time else { throw .impossible("time") }
        guard demand.isPossible(length: settings.length) else { throw .impossible("demand") }
        guard judge.isPossible else { throw .impossible("experts") }
    }

    private mutating func code(_ coder: inout some StateCoder) {
        coder.code(&time)
        demand.code(&coder)
        judge.code(&coder)
    }
}

/// What numbers of a state can be: far more than any fleet reaches, and far less than overflows.
enum MarginalBounds {
    static let whole = 1 << 40
    static let number: Float = 1e15

    static func isCount(_ value: Float) -> Bool { value >= 0 && value <= number }
    static func isCount<Vector: SIMD>(_ values: Vector) -> Bool where Vector.Scalar == Float {
        all(values .>= 0) && all(values .<= number)
    }

    /// Behind the version.
    static func reader(of bytes: [UInt8], version: UInt8) throws(MarginalStateError) -> StateReader {
        var reader = StateReader(bytes: bytes)
        guard reader.isIntact else { throw bytes.count < 32 ? .length(bytes.count) : .corrupt }
        var found: UInt8 = 0
        reader.code(&found)
        guard found == version else { throw .version(found) }
        return reader
    }
}

extension StateCoder {
    mutating func lanes<Vector: SIMD>(_ value: inout Vector) where Vector.Scalar == Float {
        for lane in 0..<value.scalarCount { code(&value[lane]) }
    }
}
