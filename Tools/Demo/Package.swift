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

// A package of its own, so that the demo's weight stays out of the root build and the root's out of the demo.
let package = Package(
    name: "outrider-demo",
    dependencies: [
        .package(name: "outrider", path: "../.."),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
    ],
    targets: [
        .executableTarget(
            name: "outrider-demo",
            dependencies: [
                .product(name: "NetworkTypes", package: "outrider"),
                .product(name: "LocalAPI", package: "outrider"),
                .product(name: "NamespaceKit", package: "outrider"),
                .product(name: "SimulationKit", package: "outrider"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict)
    ]
)
