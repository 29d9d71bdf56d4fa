public import ControlAPI
public import CoordinatorCore
public import FleetMapping
import NetworkTypes
public import SNISpace
import SwiftProtobuf

extension Outrider_V1_TemperatureThresholds {
    public init(_ value: TemperatureThresholds) {
        self.init()
        hotAbove = value.hotAbove
        coldBelow = value.coldBelow
        halfLifeMs = milliseconds(value.halfLife)
    }

    var value: TemperatureThresholds {
        TemperatureThresholds(
            hotAbove: hotAbove, coldBelow: coldBelow, halfLife: duration(milliseconds: halfLifeMs))
    }
}

extension Outrider_V1_Shard {
    public init(_ shard: ShardingConfiguration.Shard) {
        self.init()
        application = shard.application.description
        ranges = shard.ranges.map(Outrider_V1_Block.init)
    }

    func value(_ field: String) throws(MappingError) -> ShardingConfiguration.Shard {
        var blocks: [SNIBlock] = []
        for range in ranges { blocks.append(try range.value("\(field).ranges")) }
        return ShardingConfiguration.Shard(
            application: try parse(application, "\(field).application"), ranges: blocks)
    }
}

extension Outrider_V1_ShardingConfiguration {
    public init(_ value: ShardingConfiguration) {
        self.init()
        format = UInt32(clamping: value.format)
        version = value.version
        chunkSize = UInt32(1) << UInt32(value.chunkOrder)
        let digits = String(value.keyFingerprint, radix: 16)
        keyFingerprint = String(repeating: "0", count: 16 - digits.count) + digits
        blockSizeMin = UInt32(clamping: value.blockSizes.lowerBound)
        blockSizeMax = UInt32(clamping: value.blockSizes.upperBound)
        temperature = Outrider_V1_TemperatureThresholds(value.thresholds)
        excluded = value.excluded.map(Outrider_V1_Range.init)
        excluding = value.excluding.map(Outrider_V1_Range.init)
        shards = value.shards.map(Outrider_V1_Shard.init)
    }

    /// The value form. Of a newer format nothing but the format: what the rest means, only a newer program knows.
    public func value() throws(MappingError) -> ShardingConfiguration {
        let format = Int(self.format)
        guard format <= ShardingConfiguration.formatMax else {
            return ShardingConfiguration(
                format: format, version: version, chunkOrder: 0, keyFingerprint: 0, blockSizes: 0...0,
                thresholds: .standard, excluded: [], excluding: [], shards: [])
        }
        guard chunkSize > 0, chunkSize & (chunkSize - 1) == 0 else {
            throw MappingError(field: "document.chunk_size", detail: "\(chunkSize) is no power of two")
        }
        guard let key = UInt64(keyFingerprint, radix: 16) else {
            throw MappingError(
                field: "document.key_fingerprint", detail: "'\(keyFingerprint)' is no hexadecimal number of 64 bits")
        }
        guard blockSizeMin <= blockSizeMax else {
            throw MappingError(
                field: "document.block_size_min", detail: "\(blockSizeMin) is above block_size_max, \(blockSizeMax)")
        }
        guard hasTemperature else { throw MappingError(field: "document.temperature", detail: "missing") }
        return ShardingConfiguration(
            format: format, version: version, chunkOrder: chunkSize.trailingZeroBitCount, keyFingerprint: key,
            blockSizes: Int(blockSizeMin)...Int(blockSizeMax), thresholds: temperature.value,
            excluded: try Self.ranges(excluded, "document.excluded"),
            excluding: try Self.ranges(excluding, "document.excluding"), shards: try shardValues())
    }

    private func shardValues() throws(MappingError) -> [ShardingConfiguration.Shard] {
        var values: [ShardingConfiguration.Shard] = []
        for shard in shards { values.append(try shard.value("document.shards")) }
        return values
    }

    private static func ranges(
        _ ranges: [Outrider_V1_Range], _ field: String
    ) throws(MappingError) -> [SNIRange] {
        var values: [SNIRange] = []
        for range in ranges { values.append(try range.value(field)) }
        return values
    }
}

extension Outrider_V1_ShardingDifference {
    public init(_ value: ShardingDifference) {
        self.init()
        fromVersion = value.from
        toVersion = value.to
        shards = value.shards.map(Outrider_V1_Shard.init)
        excluded = value.excluded.map(Outrider_V1_Range.init)
        included = value.included.map(Outrider_V1_Range.init)
        if let thresholds = value.thresholds { temperature = Outrider_V1_TemperatureThresholds(thresholds) }
    }
}

extension Outrider_V1_DiffShardingRequest {
    public func value() throws(MappingError) -> ShardingConfiguration {
        guard hasDocument else { throw MappingError(field: "document", detail: "missing") }
        return try document.value()
    }
}

extension Outrider_V1_ApplyShardingRequest {
    public func command() throws(MappingError) -> Command {
        guard hasDocument else { throw MappingError(field: "document", detail: "missing") }
        return .applySharding(try document.value())
    }
}

extension Outrider_V1_ApplyShardingResponse {
    public init(_ difference: ShardingDifference, excludingLeft: Int) {
        self.init()
        self.difference = Outrider_V1_ShardingDifference(difference)
        self.excludingLeft = UInt32(clamping: excludingLeft)
    }
}
