/// Why persisted state was not taken.
public enum SeriesStateError: Error, Hashable, Sendable {
    /// Written by another version of this library.
    case version(UInt8)
    /// Of another resolution: samples per day.
    case samplesPerDay(Int)
    /// Learnt with another fleet's prior.
    case otherPrior
    /// Shorter or longer than such a state is.
    case length(Int)
    /// The checksum is wrong.
    case corrupt
}

/// State as bytes, little-endian: version, samples per day, prior, fields in the order below, checksum. What is restored
/// forecasts the same to the bit.
extension SeriesForecaster {
    private static let version: UInt8 = 3

    public func encoded() -> [UInt8] {
        var copy = self
        var writer = StateWriter()
        copy.code(&writer)
        writer.finish()
        return writer.bytes
    }

    /// - Throws: ``SeriesStateError``.
    public init(encoded bytes: [UInt8], plan: SeriesPlan, prior: FleetPrior) throws(SeriesStateError) {
        self.init(plan: plan, prior: prior)
        var reader = StateReader(bytes: bytes)
        guard reader.isIntact else { throw bytes.count < 32 ? .length(bytes.count) : .corrupt }
        try check(reader)
        code(&reader)
        guard reader.isAtEnd else { throw .length(bytes.count) }
    }

    private func check(_ reader: StateReader) throws(SeriesStateError) {
        var head = reader
        var version = Self.version
        var day = UInt32(0)
        var fingerprint: UInt64 = 0
        head.code(&version)
        head.code(&day)
        head.code(&fingerprint)
        guard version == Self.version else { throw .version(version) }
        guard day == UInt32(plan.day) else { throw .samplesPerDay(Int(day)) }
        guard fingerprint == prior.fingerprint else { throw .otherPrior }
    }

    /// One walk over the fields serves both directions, so that they cannot drift apart.
    private mutating func code(_ coder: inout some StateCoder) {
        var version = Self.version
        var day = UInt32(plan.day)
        var fingerprint = prior.fingerprint
        coder.code(&version)
        coder.code(&day)
        coder.code(&fingerprint)
        for path in [\Self.samples, \Self.firstTick, \Self.tick, \Self.nowTick, \Self.anchorTick, \Self.dayOfMax] {
            coder.code(&self[keyPath: path])
        }
        for path in [\Self.slow, \Self.fast, \Self.brisk, \Self.calm, \Self.anchorSize] {
            coder.code(&self[keyPath: path])
        }
        now.code(&coder)
        coder.code(&deviations)
        coder.code(&dayMax)
        doubts.code(&coder)
        season.code(&coder)
        watch.code(&coder)
        codeLastAnchor(&coder)
        for index in recent.indices { recent[index].code(&coder) }
        for index in marks.indices { marks[index].code(&coder) }
        for index in leads.indices { leads[index].code(&coder) }
        for index in residuals.indices { coder.code(&residuals[index]) }
        for index in pending.indices { coder.code(&pending[index]) }
        var hasIndicators = !indicators.isEmpty
        coder.code(&hasIndicators)
        if hasIndicators, indicators.isEmpty { indicators = [IndicatorRegression()] }
        if hasIndicators { indicators[0].code(&coder, plan: plan) }
    }
}

extension SeriesForecaster {
    private mutating func codeLastAnchor(_ coder: inout some StateCoder) {
        var (kind, size) = (UInt8(0), Float(0))
        switch lastAnchor {
        case nil: break
        case .scale(let factor): (kind, size) = (1, factor)
        case .move(let step): (kind, size) = (2, step)
        }
        coder.code(&kind)
        coder.code(&size)
        lastAnchor = kind == 1 ? .scale(size) : kind == 2 ? .move(size) : nil
    }
}

/// Writes or reads one field after another. Inlined where it is used: a state has thousands of fields.
package protocol StateCoder {
    mutating func code<Number: FixedWidthInteger>(_ value: inout Number)
}

extension StateCoder {
    @inlinable package mutating func code(_ value: inout Float) {
        var bits = value.bitPattern
        code(&bits)
        value = Float(bitPattern: bits)
    }
    @inlinable package mutating func code(_ value: inout Double) {
        var bits = value.bitPattern
        code(&bits)
        value = Double(bitPattern: bits)
    }
    @inlinable package mutating func code(_ value: inout Bool) {
        var byte: UInt8 = value ? 1 : 0
        code(&byte)
        value = byte != 0
    }
    @inlinable package mutating func code(_ value: inout SIMD4<Float>) { for lane in 0..<4 { code(&value[lane]) } }
    @inlinable package mutating func code(_ value: inout SIMD4<Double>) { for lane in 0..<4 { code(&value[lane]) } }
    @inlinable package mutating func code(_ value: inout SIMD8<Float>) { for lane in 0..<8 { code(&value[lane]) } }
}

package struct StateWriter: StateCoder {
    package var bytes: [UInt8] = []

    package init() {}

    @inlinable package mutating func code<Number: FixedWidthInteger>(_ value: inout Number) {
        for shift in stride(from: 0, to: Number.bitWidth, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> Number(shift)))
        }
    }

    package mutating func finish() {
        var sum = Checksum()
        for byte in bytes { sum.add(byte) }
        var value = sum.value
        code(&value)
    }
}

package struct StateReader: StateCoder {
    @usableFromInline let bytes: [UInt8]
    @usableFromInline let end: Int
    @usableFromInline var position = 0
    @usableFromInline var isShort = false

    package init(bytes: [UInt8]) {
        self.bytes = bytes
        end = max(0, bytes.count - 8)
    }

    package var isAtEnd: Bool { !isShort && position == end }

    package var isIntact: Bool {
        guard bytes.count >= 32 else { return false }
        var sum = Checksum()
        for byte in bytes[..<end] { sum.add(byte) }
        var stored: UInt64 = 0
        for place in 0..<8 { stored |= UInt64(bytes[end + place]) << UInt64(8 * place) }
        return stored == sum.value
    }

    /// Zeros beyond the end; ``isAtEnd`` then says no.
    @inlinable package mutating func code<Number: FixedWidthInteger>(_ value: inout Number) {
        let size = Number.bitWidth / 8
        guard position + size <= end else {
            isShort = true
            value = 0
            return
        }
        var result: Number = 0
        for place in 0..<size { result |= Number(truncatingIfNeeded: bytes[position + place]) << Number(8 * place) }
        position += size
        value = result
    }
}
