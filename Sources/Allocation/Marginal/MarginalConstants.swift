/// The fitted numbers of the rule: how the logarithm of a rate follows from what was seen.
///
/// Pooled over many applications; each application corrects them for itself by the experts.
public struct MarginalConstants: Hashable, Sendable {
    /// Version of the meaning of the coefficients and of the file.
    public static let format = 1
    /// Of the n-th identifier of a floor, in the order of ``MarginalFeatures``.
    public let floors: [Float]
    /// Of the level j above the present demand.
    public let levels: [Float]
    /// 0: a miss costs the same everywhere; 1: it costs as much as the application's identifiers are seldom used.
    public let leaning: Float

    /// No coefficient that was ever fitted comes near; more would only overflow.
    private static let sizeMax: Float = 100

    public init(floors: [Float], levels: [Float], leaning: Float) throws(MarginalError) {
        for (name, values, count) in [
            ("floors", floors, MarginalFeatures.floorCount), ("levels", levels, MarginalFeatures.levelCount),
        ] {
            guard values.count == count else { throw .count(name: name, found: values.count, needed: count) }
            for (place, value) in values.enumerated() where !(value.magnitude <= Self.sizeMax) {
                throw .coefficient(name: name, place: place, value: value, most: Self.sizeMax)
            }
        }
        guard leaning >= 0, leaning <= 1 else {
            throw .coefficient(name: "leaning", place: 0, value: leaning, most: 1)
        }
        (self.floors, self.levels, self.leaning) = (floors, levels, leaning)
    }

    /// The table that is compiled in; a test checks it as a file is checked.
    init(fitted floors: [Float], levels: [Float], leaning: Float) {
        (self.floors, self.levels, self.leaning) = (floors, levels, leaning)
    }
}

/// What the rule of marginal value refuses.
public enum MarginalError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Constants of another version.
    case format(found: Int, known: Int)
    case count(name: String, found: Int, needed: Int)
    /// Not finite, or too large.
    case coefficient(name: String, place: Int, value: Float, most: Float)
    case costRatio(Double)
    /// Negative, or above the cap.
    case floor(Int, cap: Int?)
    /// In seconds.
    case tick(Double, lead: Double)

    public var description: String {
        switch self {
        case .format(let found, let known): "constants of format \(found); this version reads format \(known)"
        case .count(let name, let found, let needed): "constants: \(found) \(name), but \(needed) are needed"
        case .coefficient(let name, let place, let value, let most):
            "constants: \(name)[\(place)] is \(value), beyond \(most)"
        case .costRatio(let ratio):
            "cost ratio \(ratio): a miss costs from 0.001 to 1000000 idle hours of one identifier"
        case .floor(let floor, let cap):
            "floor \(floor): not negative" + (cap.map { ", and not above the cap of \($0)" } ?? "")
        case .tick(let tick, let lead):
            "tick of \(tick) s with a lead time of \(lead) s: ticks take 10 to 3600 s, the lead time no longer than a tick"
        }
    }
}

extension MarginalConstants: Codable {
    private enum Keys: String, CodingKey {
        case format, floors, levels, leaning
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Keys.self)
        let format = try values.decode(Int.self, forKey: .format)
        guard format == Self.format else { throw MarginalError.format(found: format, known: Self.format) }
        try self.init(
            floors: values.decode([Float].self, forKey: .floors), levels: values.decode([Float].self, forKey: .levels),
            leaning: values.decode(Float.self, forKey: .leaning))
    }

    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: Keys.self)
        try values.encode(Self.format, forKey: .format)
        try values.encode(floors, forKey: .floors)
        try values.encode(levels, forKey: .levels)
        try values.encode(leaning, forKey: .leaning)
    }
}
