// swift-tools-version: 6.2
import PackageDescription

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

// A package of its own: it links the product's modules without gRPC, so that a release build of it takes a minute.
let package = Package(
    name: "outrider-bench",
    dependencies: [.package(name: "outrider", path: "..")],
    targets: [
        // Reads `libmnl.pc` through the product's own system library target.
        .target(name: "CBareLoop", dependencies: [.product(name: "Netlink", package: "outrider")]),
        // Finds libmnl through the product's own system library target.
        .target(name: "CRouteLoop", dependencies: [.product(name: "Netlink", package: "outrider")]),
        .target(name: "CPortLoop", dependencies: [.product(name: "Netlink", package: "outrider")]),
        .executableTarget(
            name: "outrider-bench",
            dependencies: [
                "NetworkTypes", "Allocation", "Forecasting", "SimulationKit", "LocalAPI", "Netlink", "NamespaceKit",
                "SNISpace",
                "FleetSimulation", "FleetProtocol", "Telemetry", "Dataplane", "AgentCore",
                "ForecastBacktest",
            ].map {
                .product(name: $0, package: "outrider")
            } + ["CBareLoop", "CRouteLoop", "CPortLoop"], swiftSettings: strict),
    ]
)
