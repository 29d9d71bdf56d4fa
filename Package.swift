// swift-tools-version: 6.2
import PackageDescription

/// One set of compiler settings for every target, decided on day one: see ARCHITECTURE.md, "House rules".
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .treatWarning("StrictMemorySafety", as: .warning),
]
/// Generated protobuf code is not ours to annotate for memory safety.
let generated: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let collections = Target.Dependency.product(name: "Collections", package: "swift-collections")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let grpcCore = Target.Dependency.product(name: "GRPCCore", package: "grpc-swift-2")
let grpcTransport = Target.Dependency.product(
    name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport")
let grpcProtobuf = Target.Dependency.product(name: "GRPCProtobuf", package: "grpc-swift-protobuf")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let httpClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let httpServer = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let nio = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioHTTP = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")

func library(_ name: String, _ dependencies: [Target.Dependency] = [], settings: [SwiftSetting] = strict) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}
func executable(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

let package = Package(
    name: "outrider",
    products: [
        .executable(name: "outrider-agent", targets: ["outrider-agent"]),
        .executable(name: "outrider-coordinator", targets: ["outrider-coordinator"]),
        .executable(name: "outriderctl", targets: ["outriderctl"]),
        .executable(name: "outrider-sim", targets: ["outrider-sim"]),
        // For the nested packages Tools/ and Benchmarks/, which must not pull gRPC into their builds.
        .library(name: "NetworkTypes", targets: ["NetworkTypes"]),
        .library(name: "FleetProtocol", targets: ["FleetProtocol"]),
        .library(name: "Telemetry", targets: ["Telemetry"]),
        .library(name: "Dataplane", targets: ["Dataplane"]),
        .library(name: "Netlink", targets: ["Netlink"]),
        .library(name: "LocalAPI", targets: ["LocalAPI"]),
        .library(name: "Journal", targets: ["Journal"]),
        .library(name: "Forecasting", targets: ["Forecasting"]),
        .library(name: "Allocation", targets: ["Allocation"]),
        .library(name: "SNISpace", targets: ["SNISpace"]),
        .library(name: "AgentCore", targets: ["AgentCore"]),
        .library(name: "SimulationKit", targets: ["SimulationKit"]),
        .library(name: "FleetSimulation", targets: ["FleetSimulation"]),
        .library(name: "ForecastBacktest", targets: ["ForecastBacktest"]),
        .library(name: "NamespaceKit", targets: ["NamespaceKit"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0"),
        .package(url: "https://github.com/grpc/grpc-swift-2.git", from: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport.git", from: "2.9.2"),
        .package(url: "https://github.com/grpc/grpc-swift-protobuf.git", from: "2.4.1"),
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams.git", from: "6.2.2"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1", traits: []),
    ],
    targets: [
        // The C boundary.
        .systemLibrary(
            name: "CLibnl", path: "CShims/CLibnl", pkgConfig: "libnl-route-3.0 libnl-genl-3.0 libnl-3.0 libmnl",
            providers: [.apt(["libnl-route-3-dev", "libnl-genl-3-dev", "libnl-3-dev", "libmnl-dev"])]),
        .target(name: "CNetlinkShim", dependencies: ["CLibnl"], path: "CShims/CNetlinkShim"),
        .target(name: "CSystemShim", path: "CShims/CSystemShim"),
        .target(name: "CNamespaceKit", path: "CShims/CNamespaceKit"),

        // Pure cores: values in, values out.
        library("NetworkTypes"),
        library("FleetProtocol", ["NetworkTypes"]),
        library("SNISpace", ["NetworkTypes", collections]),
        library("Forecasting"),
        library("Allocation", ["FleetProtocol", "Forecasting", "NetworkTypes"]),
        library("Dataplane", ["NetworkTypes", collections]),
        library("Telemetry", ["NetworkTypes", "FleetProtocol"]),
        library("Addressing", ["NetworkTypes"]),
        library(
            "AgentCore", ["NetworkTypes", "FleetProtocol", "Dataplane", "Telemetry", "SNISpace", collections]),
        library(
            "CoordinatorCore", ["NetworkTypes", "FleetProtocol", "SNISpace", "Forecasting", "Allocation", collections]),

        // Leaves that touch the machine.
        library("Netlink", ["CNetlinkShim", "CSystemShim", "Dataplane", "NetworkTypes"]),
        library("LocalAPI", ["NetworkTypes", "CSystemShim"]),
        library("Journal", ["NetworkTypes", "CSystemShim"]),
        library("Store", ["SNISpace", "CoordinatorCore", "CSystemShim", grdb]),
        library("ControlAPI", [grpcCore, grpcProtobuf, protobuf], settings: generated),
        library("FleetMapping", ["ControlAPI", "NetworkTypes", "FleetProtocol", protobuf]),
        library(
            "ControlAPIMapping",
            [
                "ControlAPI", "FleetMapping", "NetworkTypes", "FleetProtocol", "SNISpace", "Allocation", "Forecasting",
                "CoordinatorCore",
                grpcCore, protobuf,
            ]),
        library("Prometheus", [httpClient, nio, nioHTTP]),
        library(
            "DaemonSupport",
            ["CSystemShim", "NetworkTypes", logging, lifecycle, unixSignals, .product(name: "Yams", package: "Yams")]),

        // Shells.
        library(
            "Agent",
            [
                "Addressing", "AgentCore", "FleetProtocol", "Dataplane", "Netlink", "Journal", "LocalAPI",
                "NetworkTypes",
                "ControlAPI", "Telemetry", "FleetMapping", "DaemonSupport", "CSystemShim", grpcCore, grpcTransport,
                logging, lifecycle,
            ]),
        library(
            "Coordinator",
            [
                "CoordinatorCore", "FleetProtocol", "SNISpace", "Forecasting", "Allocation", "Store", "NetworkTypes",
                "ControlAPI", "ControlAPIMapping", "FleetMapping", "DaemonSupport", "Prometheus", grpcCore,
                grpcTransport,
                httpServer, httpTypes, nio, nioPosix, logging, lifecycle, collections,
            ]),

        // Programs.
        executable("outrider-agent", ["Agent", "DaemonSupport", "Netlink", "NetworkTypes", arguments]),
        executable("outrider-coordinator", ["Coordinator", "CoordinatorCore", "DaemonSupport", arguments]),
        executable(
            "outriderctl",
            ["ControlAPI", "LocalAPI", "NetworkTypes", "DaemonSupport", grpcCore, grpcTransport, protobuf, arguments]),

        executable("outrider-sim", ["Allocation", "FleetSimulation", "ForecastBacktest", "NetworkTypes", arguments]),

        // Test support, never shipped.
        library("SimulationKit", ["NetworkTypes"]),
        library(
            "FleetSimulation",
            [
                "AgentCore", "CoordinatorCore", "SNISpace", "FleetProtocol", "Dataplane", "Allocation", "Forecasting",
                "NetworkTypes", "SimulationKit", collections,
            ]),
        library("ForecastBacktest", ["Allocation", "Forecasting", "SimulationKit"]),
        library("NamespaceKit", ["NetworkTypes", "Netlink", "LocalAPI", "SimulationKit", "CNamespaceKit"]),

        tests(
            "CoordinatorTests",
            [
                "Coordinator", "ControlAPI", "ControlAPIMapping", "CoordinatorCore", "DaemonSupport", "FleetMapping",
                "FleetProtocol", "Forecasting", "NetworkTypes", "Prometheus", "Store", "outrider-coordinator", grpcCore,
                grpcTransport, protobuf, logging, lifecycle,
            ]),
        tests("PrometheusTests", ["Prometheus", nio, nioHTTP, nioPosix]),
        tests("StoreTests", ["Store", "CoordinatorCore", "NetworkTypes", grdb]),
        tests("DaemonSupportTests", ["DaemonSupport", "NetworkTypes", logging, lifecycle]),
        tests(
            "AgentTests",
            [
                "Agent", "AgentCore", "Addressing", "Dataplane", "FleetMapping", "FleetProtocol", "Journal", "LocalAPI",
                "Netlink", "NetworkTypes", "Telemetry", logging,
            ]),
        tests("AddressingTests", ["Addressing", "NetworkTypes", "SimulationKit"]),
        tests("TelemetryTests", ["Telemetry", "FleetProtocol", "NetworkTypes", "SimulationKit"]),
        tests(
            "AgentCoreTests",
            ["AgentCore", "Dataplane", "FleetProtocol", "NetworkTypes", "SNISpace", "SimulationKit", "Telemetry"]),
        tests("JournalTests", ["Journal", "NetworkTypes"]),
        tests("LocalAPITests", ["LocalAPI", "NetworkTypes"]),
        tests("SNISpaceTests", ["SNISpace", "NetworkTypes", "SimulationKit"]),
        tests(
            "CoordinatorCoreTests",
            ["CoordinatorCore", "SNISpace", "FleetProtocol", "Forecasting", "NetworkTypes", "SimulationKit"]),
        tests("NetworkTypesTests", ["NetworkTypes", "SimulationKit"]),
        tests("TidyTests", ["DaemonSupport"]),
        tests("OutriderctlTests", ["outriderctl", "ControlAPI", "DaemonSupport", grpcCore, arguments]),
        tests("DataplaneTests", ["Dataplane", "NetworkTypes", "SimulationKit"]),
        tests(
            "NetlinkTests", ["Netlink", "Dataplane", "NetworkTypes", "NamespaceKit", "CNetlinkShim", "CSystemShim"]),
        tests("NFTablesTests", ["CNetlinkShim", "Netlink", "Dataplane", "NetworkTypes", "NamespaceKit"]),
        tests("SimulationKitTests", ["NetworkTypes", "SimulationKit"]),
        tests(
            "SimulationTests",
            [
                "FleetSimulation", "AgentCore", "CoordinatorCore", "SNISpace", "FleetProtocol", "Forecasting",
                "NetworkTypes", "SimulationKit",
            ]),
        tests("ForecastingTests", ["Forecasting", "SimulationKit"]),
        tests("ForecastBacktestTests", ["Allocation", "ForecastBacktest", "Forecasting", "SimulationKit"]),
        tests(
            "AllocationTests", ["Allocation", "FleetProtocol", "Forecasting", "NetworkTypes", "SimulationKit"]),
        tests("FuzzTests", ["AgentCore", "Dataplane", "Journal", "LocalAPI", "Netlink", "NetworkTypes"]),
        tests("NamespaceTests", ["Journal", "LocalAPI", "NamespaceKit", "NetworkTypes"]),
    ]
)
