//! The WGSL kernels as pipelines, specialised to a model's sizes.

use crate::gpu::{Attention, Gpu, GpuError, Matmul, Precision, Variant, source::source};
use wgpu::{BindGroup, Buffer, ComputePipeline};

/// One kernel with its sizes filled in.
#[derive(Debug)]
pub struct Kernel {
    pipeline: ComputePipeline,
    makes: (u32, u32),
}

impl Kernel {
    /// y (`[T, n]`) = x (`[T, k]`) · W (`[k, n]`) + bias, GELU behind it where `gelu`; dispatch it for n and T.
    pub fn matmul(
        gpu: &Gpu,
        variant: Matmul,
        precision: Precision,
        (k, n): (usize, usize),
        gelu: bool,
    ) -> Result<Self, GpuError> {
        let mut constants = vec![("K", k as f64), ("N", n as f64), ("GELU", f64::from(u8::from(gelu)))];
        if let (Some(subgroups), Some(lanes)) = (variant.subgroups(), gpu.abilities().subgroup_lanes) {
            constants.push(("THREADS", f64::from(subgroups * lanes)));
        }
        Ok(Self { makes: variant.makes(), ..Self::new(gpu, Variant::Matmul(variant, precision), &constants)? })
    }

    /// Attention of states of `h` numbers with so many heads; dispatch it for tokens and heads.
    pub fn attention(gpu: &Gpu, variant: Attention, h: usize, heads: usize) -> Result<Self, GpuError> {
        let constants = [("H", h as f64), ("HEADS", heads as f64)];
        Ok(Self { makes: variant.makes(), ..Self::new(gpu, Variant::Attention(variant), &constants)? })
    }

    /// Compiles a kernel of which a workgroup makes one row, with values for its `override`s.
    pub fn new(gpu: &Gpu, variant: Variant, constants: &[(&str, f64)]) -> Result<Self, GpuError> {
        let name = variant.name();
        let pipeline = gpu.scoped(|| {
            let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(&name),
                source: wgpu::ShaderSource::Wgsl(source(variant).into()),
            });
            gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(&name),
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
        Ok(Self { pipeline, makes: (1, 1) })
    }

    /// Its pipeline.
    pub fn pipeline(&self) -> &ComputePipeline {
        &self.pipeline
    }

    /// Workgroups for a result of `x` by `y`: columns and rows, tokens and heads, or rows and 1.
    pub fn groups(&self, x: usize, y: usize) -> (u32, u32) {
        ((x as u32).div_ceil(self.makes.0), (y as u32).div_ceil(self.makes.1))
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
