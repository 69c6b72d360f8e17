//! The WGSL kernels as pipelines, specialised to a model's sizes.

use crate::gpu::{Gpu, GpuError};
use wgpu::{BindGroup, Buffer, ComputePipeline};

/// Name and source of every kernel.
pub const KERNELS: [(&str, &str); 6] = [
    ("embed_layernorm", include_str!("../../wgsl/embed_layernorm.wgsl")),
    ("matmul", include_str!("../../wgsl/matmul.wgsl")),
    ("matmul_subgroup", include_str!("../../wgsl/matmul_subgroup.wgsl")),
    ("attention", include_str!("../../wgsl/attention.wgsl")),
    ("add_layernorm", include_str!("../../wgsl/add_layernorm.wgsl")),
    ("pool_l2", include_str!("../../wgsl/pool_l2.wgsl")),
];

/// One kernel with its sizes filled in.
#[derive(Debug)]
pub struct Kernel {
    pipeline: ComputePipeline,
}

impl Kernel {
    /// y (`[T, n]`) = x (`[T, k]`) · W (`[k, n]`) + bias, GELU behind it where `gelu`: the family's kernel that suits the device.
    /// A workgroup of each makes 32 rows and 32 columns.
    pub fn matmul(gpu: &Gpu, k: usize, n: usize, gelu: bool) -> Result<Self, GpuError> {
        let distributed = gpu.subgroup_lanes() == Some(8) && k.is_multiple_of(32) && n.is_multiple_of(32);
        let name = if distributed { "matmul_subgroup" } else { "matmul" };
        Self::new(gpu, name, &[("K", k as f64), ("N", n as f64), ("GELU", f64::from(u8::from(gelu)))])
    }

    /// Compiles the kernel `name` of [`KERNELS`] with values for its `override`s.
    pub fn new(gpu: &Gpu, name: &str, constants: &[(&str, f64)]) -> Result<Self, GpuError> {
        let source = KERNELS.iter().find(|(n, _)| *n == name).map(|(_, s)| *s);
        let source = source.expect("callers name a kernel of the table");
        let pipeline = gpu.scoped(|| {
            let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(name),
                source: wgpu::ShaderSource::Wgsl(source.into()),
            });
            gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(name),
                layout: None,
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants,
                    // Every kernel writes its workgroup memory before it reads it.
                    zero_initialize_workgroup_memory: false,
                },
                cache: None,
            })
        })?;
        Ok(Self { pipeline })
    }

    /// Its pipeline.
    pub fn pipeline(&self) -> &ComputePipeline {
        &self.pipeline
    }

    /// Binds buffers to the bindings 0, 1, 2, …
    pub fn bind(&self, gpu: &Gpu, buffers: &[&Buffer]) -> BindGroup {
        let entries: Vec<wgpu::BindGroupEntry<'_>> = buffers
            .iter()
            .enumerate()
            .map(|(i, b)| wgpu::BindGroupEntry { binding: i as u32, resource: b.as_entire_binding() })
            .collect();
        gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &entries,
        })
    }
}
