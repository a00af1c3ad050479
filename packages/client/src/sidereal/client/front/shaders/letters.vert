#version 330
// One letter per instance, cut out of the atlas with the empty pixel around it.
uniform vec2 origin;
uniform vec2 size;
in vec2 in_corner;
in vec2 in_at;        // lower left, pixels
in vec2 in_extent;
in vec4 in_cut;       // left, top, width, height in the atlas, 0 to 1; rows run downwards
in vec4 in_colour;
in float in_halo;     // opacity of the dark rim, 0 for none
out vec2 texel;
flat out vec4 colour;
flat out float halo;

void main() {
    texel = in_cut.xy + vec2(in_corner.x, 1.0 - in_corner.y) * in_cut.zw;
    colour = in_colour;
    halo = in_halo;
    gl_Position = vec4((in_at + in_corner * in_extent + origin) / size * 2.0 - 1.0, 0.0, 1.0);
}
